import { parentPort, workerData } from 'node:worker_threads'
import { planOf } from '../../src/simulation/plan.ts'
import { runPlan } from '../../src/simulation/run-plan.ts'
import { shrink } from '../../src/simulation/shrink.ts'

export interface SeedRange {
  first: number
  /** Exclusive. */
  end: number
  step: number
}

export interface SeedsRun {
  seeds: number
  hits: [fault: string, effects: number][]
  failure: string | undefined
}

const { first, end, step } = workerData as SeedRange
const hits = new Map<string, number>()
let failure: string | undefined
let seeds = 0
for (let seed = first; seed < end && failure === undefined; seed += step) {
  const plan = planOf(seed)
  const { problems, hits: hit } = await runPlan(plan)
  seeds += 1
  for (const [fault, effects] of hit) hits.set(fault, (hits.get(fault) ?? 0) + effects)
  const [problem] = problems
  if (!problem) continue
  const smallest = await shrink(plan, problem.invariant)
  // Kept as a file of regressions/, it is run again for ever.
  failure =
    `seed ${seed}: ${problem.invariant}: ${problem.what}\nkeep as test/simulation/regressions/seed-${seed}.json:\n` +
    JSON.stringify({ broke: problem.invariant, plan: smallest })
}
const run: SeedsRun = { seeds, hits: [...hits], failure }
parentPort?.postMessage(run)
