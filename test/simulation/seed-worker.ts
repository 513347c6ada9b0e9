import { parentPort, workerData } from 'node:worker_threads'
import { simulations, type SimulationName } from './simulations.ts'

export interface SeedRange {
  simulation: SimulationName
  first: number
  /** Exclusive. */
  end: number
  step: number
  /** Seeds that are run however long they take; after them none is begun once `seconds` are over. */
  least: number
  seconds: number
}

export interface SeedsRun {
  seeds: number
  hits: [fault: string, effects: number][]
  failure: string | undefined
}

// Errors are made by the thousand, and nobody reads where: a plan that fails is run again by itself, with traces.
Error.stackTraceLimit = 0

const { simulation, first, end, step, least, seconds } = workerData as SeedRange
const endMs = performance.now() + seconds * 1000
const hits = new Map<string, number>()
let told: string | undefined
let seeds = 0
for (let seed = first; seed < end && told === undefined; seed += step) {
  if (seeds >= least && performance.now() > endMs) break
  const { hits: hit, failure } = await simulations[simulation].trySeed(seed)
  seeds += 1
  for (const [fault, effects] of hit) hits.set(fault, (hits.get(fault) ?? 0) + effects)
  if (!failure) continue
  const { problem, smallest } = failure
  // Kept as a file of regressions/, it is run again for ever.
  told =
    `seed ${seed}: ${problem.invariant}: ${problem.what}\nkeep as test/simulation/regressions/seed-${seed}.json:\n` +
    JSON.stringify({ simulation, broke: problem.invariant, plan: smallest })
}
const run: SeedsRun = { seeds, hits: [...hits], failure: told }
parentPort?.postMessage(run)
