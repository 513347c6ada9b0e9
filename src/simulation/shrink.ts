import type { Plan } from './plan.ts'
import { runPlan } from './run-plan.ts'

/** Runs spent on making a failure smaller. */
const shrinkRuns = 200

/** The same failure with as few faults and operations as can be found: parts are dropped while it still fails. */
export async function shrink(plan: Plan, invariant: string): Promise<Plan> {
  let runs = 0
  const stillFails = async (candidate: Plan): Promise<boolean> => {
    runs += 1
    const { problems } = await runPlan(candidate)
    return problems.some((problem) => problem.invariant === invariant)
  }
  let smallest = plan
  for (const part of ['faults', 'operations'] as const) {
    for (let size = Math.ceil(smallest[part].length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < smallest[part].length && runs < shrinkRuns;) {
        const rest = [...smallest[part].slice(0, at), ...smallest[part].slice(at + size)]
        const candidate = { ...smallest, [part]: rest }
        if (await stillFails(candidate)) smallest = candidate
        else at += size
      }
    }
  }
  return smallest
}
