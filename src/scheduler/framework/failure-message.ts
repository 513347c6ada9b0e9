import type { Refusal } from './framework.ts'
import type { Diagnosis } from './schedule.ts'

/** What a scheduler says when there is no node at all. */
export const noNodesMessage = 'no nodes available to schedule pods'

/**
 * `0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: 0/3 nodes are available: …`,
 * form and order as upstream's FitError. `preemption` is what preemption has to say, with its prefix.
 */
export function failureMessage(diagnosis: Diagnosis, preemption = ''): string {
  const { nodeCount, general, verdicts, absent } = diagnosis
  const text = general
    ? ` ${general.reasons.join(', ')}.`
    : reasonsText(verdicts.tally(), absent, nodeCount - verdicts.size)
  return `0/${nodeCount} nodes are available:${text}${preemption && ` ${preemption}`}`
}

/** ` 1 reason, 2 other reason.`, sorted as text; empty without reasons. Refusals come with their number of nodes. */
export function reasonsText(
  refusals: Iterable<readonly [refusal: Refusal, count: number, ...rest: unknown[]]>,
  absent: Refusal | undefined,
  absentCount: number,
): string {
  const counts = new Map<string, number>()
  const count = (reason: string, by: number): void => void counts.set(reason, (counts.get(reason) ?? 0) + by)
  for (const [{ reasons }, number] of refusals) for (const reason of reasons) count(reason, number)
  if (absentCount > 0) for (const reason of absent?.reasons ?? []) count(reason, absentCount)
  const parts = [...counts].map(([reason, number]) => `${number} ${reason}`).toSorted()
  return parts.length === 0 ? '' : ` ${parts.join(', ')}.`
}
