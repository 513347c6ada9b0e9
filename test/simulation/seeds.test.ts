import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { faultNames } from '../../src/simulation/faults.ts'
import { planOf } from '../../src/simulation/plan.ts'
import { runPlan } from '../../src/simulation/run-plan.ts'
import type { SeedRange, SeedsRun } from './seed-worker.ts'

/** Seeds in one run of the tests; more with STORMO_SEEDS, from another with STORMO_FIRST_SEED. */
const count = Number(process.env.STORMO_SEEDS ?? 200)
const first = Number(process.env.STORMO_FIRST_SEED ?? 1)
/** Below this many seeds chance alone leaves some fault without an effect. */
const seedsForEveryFault = 90

/** A core each, every so-manieth seed. */
const workerCount = availableParallelism()

function runSeeds(range: SeedRange): Promise<SeedsRun> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), { workerData: range })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('a worker ended without a result')))
  })
}

test(
  `a cluster keeps its promises under ${count} seeds, from ${first}`,
  { timeout: 60_000 + count * 5_000 },
  async () => {
    const ranges = Array.from({ length: workerCount }, (_, index) => ({
      first: first + index,
      end: first + count,
      step: workerCount,
    }))
    const runs = await Promise.all(ranges.map(runSeeds))
    const hits = new Map<string, number>()
    for (const [fault, effects] of runs.flatMap((run) => run.hits)) hits.set(fault, (hits.get(fault) ?? 0) + effects)
    expect(runs.flatMap(({ failure }) => failure ?? []).join('\n')).toBe('')
    expect(runs.reduce((total, { seeds }) => total + seeds, 0)).toBe(count)
    console.log(
      [...hits]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([fault, effects]) => `${fault.padEnd(28)} ${effects}`)
        .join('\n'),
    )
    if (count >= seedsForEveryFault) expect(faultNames.filter((fault) => !hits.has(fault))).toEqual([])
  },
)

test('a seed runs the same again', async () => {
  const plan = planOf(7)
  const [once, again] = [await runPlan(plan), await runPlan(plan)]
  expect(again.fingerprint).toBe(once.fingerprint)
})
