import { faultNames } from '../../src/simulation/faults.ts'
import { planOf, type Plan } from '../../src/simulation/plan.ts'
import type { Problem } from '../../src/simulation/records.ts'
import type { RunResult } from '../../src/simulation/run.ts'
import { runPlan } from '../../src/simulation/run-plan.ts'
import { runWorkload } from '../../src/simulation/run-workload.ts'
import { simulatedAuthority, type SimulatedAuthority } from '../../src/simulation/scenario-cluster.ts'
import { shrink } from '../../src/simulation/shrink.ts'
import { viewFaultNames } from '../../src/simulation/view-faults.ts'
import { workloadPlanOf, type WorkloadPlan } from '../../src/simulation/workload-plan.ts'

let authority: Promise<SimulatedAuthority> | undefined

async function runWorkloads(plan: WorkloadPlan): Promise<RunResult> {
  authority ??= simulatedAuthority()
  return runWorkload(plan, await authority)
}

/** A failure found by a seed, with the smallest plan that still shows it. */
export interface Failure {
  problem: Problem
  smallest: Plan | WorkloadPlan
}

/** What is simulated: clients of the store; or users of workloads, with scheduler, controllers and kubelets. */
export const simulations = {
  writes: simulation(planOf, runPlan, 200),
  workloads: simulation(workloadPlanOf, runWorkloads, 40),
}

export type SimulationName = keyof typeof simulations

/** Faults of which each must have had an effect, in a run of so many seeds or more: with fewer, chance leaves some without. */
export const faultsToMeet: Record<SimulationName, { faults: readonly string[]; seeds: number }> = {
  writes: { faults: faultNames, seeds: 90 },
  workloads: { faults: viewFaultNames, seeds: 40 },
}

function simulation<P extends Plan | WorkloadPlan>(
  planOfSeed: (seed: number) => P,
  run: (plan: P) => Promise<RunResult>,
  shrinkRuns: number,
) {
  return {
    run: (plan: Plan | WorkloadPlan) => run(plan as P),
    runSeed: (seed: number) => run(planOfSeed(seed)),
    async trySeed(seed: number): Promise<{ hits: RunResult['hits']; failure: Failure | undefined }> {
      const plan = planOfSeed(seed)
      const { problems, hits } = await run(plan)
      const [problem] = problems
      const failure = problem && { problem, smallest: await shrink(plan, problem.invariant, run, shrinkRuns) }
      return { hits, failure }
    },
  }
}
