import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { SeedRange, SeedRun } from './seed-worker.ts'
import { faultsToMeet, type SimulationName } from './simulations.ts'

export interface SeedsAsked {
  simulation: SimulationName
  first: number
  least: number
  most: number
  /** None is begun later, once `least` are done. */
  seconds: number
  /** Called after each seed, with how many are done. */
  progress?(done: number, failure: string | undefined): void
}

export interface SeedsDone {
  seeds: number
  /** Effects that each fault had. */
  hits: ReadonlyMap<string, number>
  failures: readonly string[]
  /** Faults that had no effect, although there were seeds enough for each. */
  neverHit: readonly string[]
}

/** Megabytes for what is young: all of a run is garbage at its end, and none of it need be moved before. */
const youngGenerationMb = 64

/** Runs seeds in one worker a core, every so-manieth seed each. */
export async function runSeeds(asked: SeedsAsked): Promise<SeedsDone> {
  const { simulation, first, least, most, seconds, progress } = asked
  const hits = new Map<string, number>()
  const failures: string[] = []
  let seeds = 0
  const take = (run: SeedRun): void => {
    seeds += 1
    for (const [fault, effects] of run.hits) hits.set(fault, (hits.get(fault) ?? 0) + effects)
    if (run.failure !== undefined) failures.push(run.failure)
    progress?.(seeds, run.failure)
  }
  const step = availableParallelism()
  const ranges = Array.from({ length: step }, (_, index): SeedRange => {
    return { simulation, first: first + index, end: first + most, step, least: Math.ceil(least / step), seconds }
  })
  await Promise.all(ranges.map((range) => workThrough(range, take)))
  const { faults, seeds: enough } = faultsToMeet[simulation]
  return { seeds, hits, failures, neverHit: seeds < enough ? [] : faults.filter((fault) => !hits.has(fault)) }
}

function workThrough(range: SeedRange, take: (run: SeedRun) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), {
      workerData: range,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    })
    worker.on('message', take)
    worker.once('error', reject)
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with code ${code}`))))
  })
}

/** A line a fault: how often it had an effect. */
export const hitTable = (hits: ReadonlyMap<string, number>): string =>
  [...hits]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([fault, effects]) => `${fault.padEnd(28)} ${effects}`)
    .join('\n')
