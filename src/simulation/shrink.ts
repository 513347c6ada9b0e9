import type { Plan } from './plan.ts'
import { runPlan } from './run-plan.ts'

/** Runs spent on making a failure smaller. */
const shrinkRuns = 200

/** The same failure with as few faults and operations as can be found: parts are dropped while it still fails. */
export async function shrink(plan: Plan, invariant: string): Promise<Plan> {
  let smallest = plan
  let runsLeft = shrinkRuns
  for (const part of ['faults', 'operations'] as const) {
    let size = smallest[part].length
    while (size > 1) {
      size = Math.ceil(size / 2)
      let at = 0
      while (at < smallest[part].length && runsLeft > 0) {
        runsLeft -= 1
        const rest = [...smallest[part].slice(0, at), ...smallest[part].slice(at + size)]
        const candidate = { ...smallest, [part]: rest }
        if (await fails(candidate, invariant)) smallest = candidate
        else at += size
      }
    }
  }
  return smallest
}

async function fails(plan: Plan, invariant: string): Promise<boolean> {
  const { problems } = await runPlan(plan)
  return problems.some((problem) => problem.invariant === invariant)
}
