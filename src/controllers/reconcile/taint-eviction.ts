import type { Pod, Taint, Toleration } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { tolerates } from '../../lib/taints.ts'
import { type Action, referenceTo } from '../controller.ts'
import { isFinished } from './pod-state.ts'
import { timeMs, timestamp } from './timestamp.ts'
import { deleteAction, eventAction, mutateAction, sooner } from './workload.ts'

/** A NoExecute taint, and since when it is on its node, in milliseconds. */
export interface TimedTaint {
  readonly taint: Taint
  readonly sinceMs: number
}

/** The NoExecute taints of a node with their times. */
export type TaintTimes = (nodeName: string, taints: readonly Taint[], nowMs: number) => TimedTaint[]

/**
 * Users' taints carry no `timeAdded`: they count from when they were first seen. State of one term of leadership, as large
 * as there are such taints.
 */
export function createTaintTimes(): TaintTimes {
  const seenMs = new Map<string, ReadonlyMap<string, number>>()
  return (nodeName, taints, nowMs) => {
    const before = seenMs.get(nodeName)
    const present = new Map<string, number>()
    const timed = taints
      .filter((taint) => taint.effect === 'NoExecute')
      .map((taint) => {
        const addedMs = timeMs(taint.timeAdded)
        if (addedMs !== undefined) return { taint, sinceMs: addedMs }
        const id = `${taint.key}=${taint.value ?? ''}`
        const sinceMs = before?.get(id) ?? nowMs
        present.set(id, sinceMs)
        return { taint, sinceMs }
      })
    if (present.size > 0) seenMs.set(nodeName, present)
    else seenMs.delete(nodeName)
    return timed
  }
}

export interface Evictions {
  readonly actions: readonly Action[]
  /** The uids of pods whose time runs. */
  readonly pending: ReadonlySet<string>
  /** Until the next one's is over. */
  readonly nextMs?: number
}

/**
 * Ends pods whose toleration of a NoExecute taint is over. `pending` of the look before tells of whom it is to be said
 * that they may stay after all.
 */
export function evictions(
  pods: readonly Pod[],
  taints: readonly TimedTaint[],
  pendingBefore: ReadonlySet<string>,
  nowMs: number,
): Evictions {
  const actions: Action[] = []
  const pending = new Set<string>()
  let nextMs: number | undefined
  if (taints.length === 0 && pendingBefore.size === 0) return { actions, pending }
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp || isFinished(pod)) continue
    const { uid = '' } = pod.metadata
    const leftMs = toleratedForMs(pod, taints, nowMs)
    if (leftMs <= 0)
      actions.push(tell(pod, 'Marking for deletion'), {
        ...markDisrupted(pod, nowMs),
        next: deleteAction(refs.pods, pod),
      })
    else if (Number.isFinite(leftMs)) {
      pending.add(uid)
      nextMs = sooner(nextMs, leftMs)
    } else if (pendingBefore.has(uid)) actions.push(tell(pod, 'Cancelling deletion of'))
  }
  return { actions, pending, ...(nextMs === undefined ? {} : { nextMs }) }
}

const tell = (pod: Pod, what: string): Action =>
  eventAction(
    referenceTo(pod),
    'Normal',
    'TaintManagerEviction',
    `${what} Pod ${pod.metadata.namespace}/${pod.metadata.name}`,
  )

/**
 * Milliseconds that the pod may stay: 0 when a taint is not tolerated, Infinity when all are for good. The first
 * toleration that matches a taint counts. Time runs from when both were there: the taint and the pod.
 */
function toleratedForMs(pod: Pod, taints: readonly TimedTaint[], nowMs: number): number {
  const tolerations: readonly Toleration[] = pod.spec?.tolerations ?? []
  const arrivedMs = timeMs(pod.status?.startTime) ?? timeMs(pod.metadata.creationTimestamp) ?? nowMs
  let leftMs = Infinity
  for (const { taint, sinceMs } of taints) {
    const toleration = tolerations.find((one) => tolerates(one, taint))
    if (!toleration) return 0
    if (toleration.tolerationSeconds === undefined) continue
    const untilMs = Math.max(sinceMs, arrivedMs) + Math.max(0, toleration.tolerationSeconds) * 1000
    leftMs = Math.min(leftMs, untilMs - nowMs)
  }
  return leftMs
}

/** Its owner must know that it did not fail by itself (KEP-3329). */
function markDisrupted(pod: Pod, nowMs: number): Extract<Action, { do: 'mutate' }> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: timestamp(nowMs),
  }
  return mutateAction(
    refs.pods,
    pod,
    (current) => {
      const others = (current.status?.conditions ?? []).filter((one) => one.type !== condition.type)
      return { ...current, status: { ...current.status, conditions: [...others, condition] } }
    },
    'status',
  )
}
