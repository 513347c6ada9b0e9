import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { SeedRange, SeedsRun } from './seed-worker.ts'
import { faultsToMeet, simulations, type SimulationName } from './simulations.ts'

interface Amount {
  least: number
  most: number
  /** None is begun later, once `least` are done. */
  seconds: number
}

const exactly = (count: number): Amount => ({ least: count, most: count, seconds: Infinity })
const asked = (count: string | undefined): Amount | undefined => (count ? exactly(Number(count)) : undefined)

/**
 * Seeds in one run of the tests: of writes as many as fit in a minute, 10,000 with STORMO_TEST_ALL; so many with
 * STORMO_SEEDS and STORMO_WORKLOAD_SEEDS, from another first one with STORMO_FIRST_SEED. One with workloads takes as long
 * as thirty of the others.
 */
const amounts: Record<SimulationName, Amount> = {
  writes:
    asked(process.env.STORMO_SEEDS) ??
    (process.env.STORMO_TEST_ALL ? exactly(10_000) : { least: 200, most: 1000, seconds: 60 }),
  workloads: asked(process.env.STORMO_WORKLOAD_SEEDS) ?? exactly(6),
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

const names = Object.keys(amounts) as SimulationName[]

test.for(names)('a cluster keeps its promises, %s', { timeout: 3_600_000 }, async (simulation) => {
  const { least, most, seconds } = amounts[simulation]
  const ranges = Array.from({ length: workerCount }, (_, index): SeedRange => ({
    simulation,
    first: first + index,
    end: first + most,
    step: workerCount,
    least: Math.ceil(least / workerCount),
    seconds,
  }))
  const runs = await Promise.all(ranges.map(runSeeds))
  const hits = new Map<string, number>()
  for (const [fault, effects] of runs.flatMap((run) => run.hits)) hits.set(fault, (hits.get(fault) ?? 0) + effects)
  expect(runs.flatMap(({ failure }) => failure ?? []).join('\n')).toBe('')
  const count = runs.reduce((total, { seeds }) => total + seeds, 0)
  expect(count).toBeGreaterThanOrEqual(least)
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
