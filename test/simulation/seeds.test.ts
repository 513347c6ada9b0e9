import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { SeedRange, SeedsRun } from './seed-worker.ts'
import { faultsToMeet, simulations, type SimulationName } from './simulations.ts'

/**
 * Seeds in one run of the tests; more with STORMO_SEEDS and STORMO_WORKLOAD_SEEDS, from another with STORMO_FIRST_SEED.
 * One with workloads takes as long as thirty of the others.
 */
const counts: Record<SimulationName, number> = {
  writes: Number(process.env.STORMO_SEEDS ?? 200),
  workloads: Number(process.env.STORMO_WORKLOAD_SEEDS ?? 6),
}
const first = Number(process.env.STORMO_FIRST_SEED ?? 1)

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

const names = Object.keys(counts) as SimulationName[]

test.for(names)('a cluster keeps its promises, %s', { timeout: 3_600_000 }, async (simulation) => {
  const count = counts[simulation]
  const ranges = Array.from({ length: workerCount }, (_, index): SeedRange => ({
    simulation,
    first: first + index,
    end: first + count,
    step: workerCount,
  }))
  const runs = await Promise.all(ranges.map(runSeeds))
  const hits = new Map<string, number>()
  for (const [fault, effects] of runs.flatMap((run) => run.hits)) hits.set(fault, (hits.get(fault) ?? 0) + effects)
  expect(runs.flatMap(({ failure }) => failure ?? []).join('\n')).toBe('')
  expect(runs.reduce((total, { seeds }) => total + seeds, 0)).toBe(count)
  const told = [...hits].toSorted(([a], [b]) => (a < b ? -1 : 1))
  console.log(
    `${count} seeds from ${first}\n${told.map(([fault, effects]) => `${fault.padEnd(28)} ${effects}`).join('\n')}`,
  )
  const { faults, seeds } = faultsToMeet[simulation]
  if (count >= seeds) expect(faults.filter((fault) => !hits.has(fault))).toEqual([])
})

test.for(names)('a seed runs the same again, %s', { timeout: 120_000 }, async (simulation) => {
  const { runSeed } = simulations[simulation]
  const [once, again] = [await runSeed(7), await runSeed(7)]
  expect(again.fingerprint).toBe(once.fingerprint)
})
