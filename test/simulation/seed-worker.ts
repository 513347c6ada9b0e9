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

/** What the worker says after each seed. After a failure it runs no other. */
export interface SeedRun {
  hits: [fault: string, effects: number][]
  /** The broken invariant, and the smallest plan that shows it. */
  failure: string | undefined
}

// Errors are made by the thousand, and nobody reads where: a plan that fails is run again by itself, with traces.
Error.stackTraceLimit = 0

const { simulation, first, end, step, least, seconds } = workerData as SeedRange
const endMs = performance.now() + seconds * 1000
let isFailed = false
for (let seed = first; seed < end && !isFailed; seed += step) {
  if ((seed - first) / step >= least && performance.now() > endMs) break
  const { hits, failure } = await simulations[simulation].trySeed(seed)
  isFailed = failure !== undefined
  // Kept as a file of regressions/, it is run again for ever.
  const told =
    failure &&
    `seed ${seed}: ${failure.problem.invariant}: ${failure.problem.what}\n` +
      `keep as test/simulation/regressions/seed-${seed}.json:\n` +
      JSON.stringify({ simulation, broke: failure.problem.invariant, plan: failure.smallest })
  parentPort?.postMessage({ hits: [...hits], failure: told } satisfies SeedRun)
}
