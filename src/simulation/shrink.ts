import type { Problem } from './records.ts'

interface Shrinkable {
  readonly faults: readonly unknown[]
  readonly operations: readonly unknown[]
}

/**
 * The same failure with as few faults and operations as can be found in so many runs: parts are dropped while it still
 * fails.
 */
export async function shrink<Plan extends Shrinkable>(
  plan: Plan,
  invariant: string,
  run: (plan: Plan) => Promise<{ problems: readonly Problem[] }>,
  runs: number,
): Promise<Plan> {
  const fails = async (candidate: Plan): Promise<boolean> =>
    (await run(candidate)).problems.some((problem) => problem.invariant === invariant)
  let smallest = plan
  let runsLeft = runs
  for (const part of ['faults', 'operations'] as const) {
    let size = smallest[part].length
    while (size > 1) {
      size = Math.ceil(size / 2)
      let at = 0
      while (at < smallest[part].length && runsLeft > 0) {
        runsLeft -= 1
        const rest = [...smallest[part].slice(0, at), ...smallest[part].slice(at + size)]
        const candidate = { ...smallest, [part]: rest }
        if (await fails(candidate)) smallest = candidate
        else at += size
      }
    }
  }
  return smallest
}
