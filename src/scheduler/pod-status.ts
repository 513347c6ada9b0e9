import type { ObjectReference, Pod, PodCondition } from '../api/kinds.ts'

export const podReference = ({ metadata: { namespace, name, uid } }: Pod): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace,
  name,
  uid,
})

export const podKey = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`

export const isDone = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed'

export const isGated = ({ spec }: Pod): boolean => (spec?.schedulingGates ?? []).length > 0

/** What a gated pod says of itself (KEP-3521). */
export const gatedCondition: PodCondition = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
}

export const unschedulableCondition = (message: string): PodCondition => ({
  type: 'PodScheduled',
  status: 'False',
  reason: 'Unschedulable',
  message,
})

/** What a victim of preemption says of itself before it goes (KEP-3329). */
export const preemptedCondition = (scheduler: string): PodCondition => ({
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'PreemptionByScheduler',
  message: `${scheduler}: preempting to accommodate a higher priority pod`,
})

export interface StatusChange {
  readonly condition?: PodCondition
  /** A node to be promised, '' to take a promise back; undefined leaves it. */
  readonly nominatedNodeName?: string
}

/** The pod with the change, or undefined when nothing would differ. Pure; `nowMs` is wall-clock time. */
export function withStatus(pod: Pod, { condition, nominatedNodeName }: StatusChange, nowMs: number): Pod | undefined {
  const { conditions = [], nominatedNodeName: promised = '', ...rest } = pod.status ?? {}
  const before = condition && conditions.find(({ type }) => type === condition.type)
  const isSame =
    !condition ||
    (before?.status === condition.status && before.reason === condition.reason && before.message === condition.message)
  const node = nominatedNodeName ?? promised
  if (isSame && node === promised) return undefined
  const lastTransitionTime = before?.status === condition?.status ? before?.lastTransitionTime : timestamp(nowMs)
  const next = isSame
    ? conditions
    : [...conditions.filter(({ type }) => type !== condition.type), { ...condition, lastTransitionTime }]
  return { ...pod, status: { ...rest, conditions: next, ...(node === '' ? {} : { nominatedNodeName: node }) } }
}

/** As metav1.Time is written: whole seconds. */
const timestamp = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')
