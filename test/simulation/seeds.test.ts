import { expect, test } from 'vitest'
import { hitTable, runSeeds } from './run-seeds.ts'
import { simulations, type SimulationName } from './simulations.ts'

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
 * as fifty of the others.
 */
const amounts: Record<SimulationName, Amount> = {
  writes:
    asked(process.env.STORMO_SEEDS) ??
    (process.env.STORMO_TEST_ALL ? exactly(10_000) : { least: 200, most: 10_000, seconds: 60 }),
  workloads: asked(process.env.STORMO_WORKLOAD_SEEDS) ?? exactly(6),
}
const first = Number(process.env.STORMO_FIRST_SEED ?? 1)

const names = Object.keys(amounts) as SimulationName[]

test.for(names)('a cluster keeps its promises, %s', { timeout: 3_600_000 }, async (simulation) => {
  const { seeds, hits, failures, neverHit } = await runSeeds({ simulation, first, ...amounts[simulation] })
  expect(failures.join('\n')).toBe('')
  expect(seeds).toBeGreaterThanOrEqual(amounts[simulation].least)
  console.log(`${seeds} seeds from ${first}\n${hitTable(hits)}`)
  expect(neverHit).toEqual([])
})

test.for(names)('a seed runs the same again, %s', { timeout: 120_000 }, async (simulation) => {
  const { runSeed } = simulations[simulation]
  const [once, again] = [await runSeed(7), await runSeed(7)]
  expect(again.fingerprint).toBe(once.fingerprint)
})
