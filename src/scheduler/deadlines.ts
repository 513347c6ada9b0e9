import type { Pod } from '../api/kinds.ts'

/** By when a pod wants to have a node, as RFC 3339 text. Among pods of one priority the earliest goes first. */
export const startBeforeAnnotation = 'stormo.dev/start-before'

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** The deadline in wall-clock ms; undefined without one, or with one that is no time. */
export function startDeadlineMs(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[startBeforeAnnotation]
  if (text === undefined || !rfc3339.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** Whether the pod carries a deadline that cannot be read. */
export const hasBadDeadline = (pod: Pod): boolean =>
  pod.metadata.annotations?.[startBeforeAnnotation] !== undefined && startDeadlineMs(pod) === undefined
