import type { Pod, PodTemplateSpec, StatefulSet } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { type Action, referenceTo, type View } from '../../controller.ts'
import { scaledValue } from '../int-or-percent.ts'
import { isAvailable, isFinished } from '../pod-state.ts'
import { deleteAction, eventAction, mutateAction } from '../workload.ts'
import { hasTerminatingClaim, missingClaims, retentionActions } from './claims.ts'
import { identityLabels, ordinalOf, podOf, replicasOf, startOf } from './identity.ts'
import { isCreated, isHealthy, isRunningAndReady, isTerminating, revisionOfPod } from './status.ts'

interface Revised {
  name: string
  template: PodTemplateSpec
}

export interface Situation {
  set: StatefulSet
  pods: readonly Pod[]
  view: View
  nowMs: number
  isFenced(nodeName: string): boolean
  current: Revised
  update: Revised
}

/**
 * What to do next (apps/v1 StatefulSet's ordering). OrderedReady does one thing at a time: it makes pods from the lowest
 * ordinal up, each after the one before is ready, takes surplus ones away from the highest down, and only then updates.
 */
export function nextActions(situation: Situation): Action[] {
  const { set, pods } = situation
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod.metadata.name)!, pod]))
  const start = startOf(set)
  const end = start + replicasOf(set)
  const condemned = [...byOrdinal.entries()]
    .filter(([ordinal]) => ordinal < start || ordinal >= end)
    .toSorted(([a], [b]) => b - a)
  const isOrdered = set.spec?.podManagementPolicy !== 'Parallel'
  const actions: Action[] = fencedDeletions(situation)
  actions.push(...identityRepairs(situation, byOrdinal, start, end))
  for (let ordinal = start; ordinal < end; ordinal++) {
    const step = stepOf(situation, ordinal, byOrdinal.get(ordinal))
    actions.push(...step.actions)
    if (isOrdered && !step.isSettled) return actions
  }
  const scaling = scaleDown(situation, condemned, [...byOrdinal.values()], isOrdered)
  actions.push(...scaling.actions)
  if (isOrdered && !scaling.isSettled) return actions
  return [...actions, ...rollingUpdate(situation, byOrdinal, start, end)]
}

/**
 * A pod on a fenced node runs no more: its object may go, and only then may its name be given again. By decision, which the
 * node learns before it gets a lease, so that it does not start the pod out of an old replica when it comes back.
 */
function fencedDeletions({ pods, isFenced }: Situation): Action[] {
  return pods
    .filter((pod) => isTerminating(pod) && pod.spec?.nodeName && isFenced(pod.spec.nodeName))
    .map((pod) => deleteAction(refs.pods, pod, { gracePeriodSeconds: 0, isConditional: true }))
}

interface Step {
  actions: Action[]
  /** The next ordinal may be looked at. */
  isSettled: boolean
}

function stepOf(situation: Situation, ordinal: number, pod: Pod | undefined): Step {
  const { set, view, nowMs } = situation
  if (!pod) {
    if (hasTerminatingClaim(set, ordinal, view)) return { actions: [], isSettled: false }
    return { actions: [...missingClaims(set, ordinal, view), createOf(situation, ordinal)], isSettled: false }
  }
  if (isFinished(pod)) {
    if (isTerminating(pod)) return { actions: [], isSettled: false }
    const { namespace, name } = set.metadata
    const isFailed = pod.status?.phase === 'Failed'
    const recreating = eventAction(
      referenceTo(set),
      isFailed ? 'Warning' : 'Normal',
      isFailed ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod',
      `StatefulSet ${namespace}/${name} is recreating ${isFailed ? 'failed' : 'terminated'} Pod ${pod.metadata.name}`,
    )
    return { actions: [recreating, ...deleteMember(set, pod)], isSettled: false }
  }
  const claims = isTerminating(pod) ? [] : missingClaims(set, ordinal, view)
  const isSettled =
    isCreated(pod) &&
    !isTerminating(pod) &&
    isRunningAndReady(pod) &&
    isAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)
  return { actions: claims, isSettled }
}

/** Below the partition pods are made of the current revision, from it on of the update revision. */
function createOf({ set, current, update }: Situation, ordinal: number): Action {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {}
  const isOld = type !== 'OnDelete' && ordinal < startOf(set) + (rollingUpdate?.partition ?? 0)
  const { name, template } = isOld ? current : update
  const pod = podOf(set, template, name, ordinal)
  const about = referenceTo(set)
  const text = `create Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
  return {
    do: 'create',
    ref: refs.pods,
    object: pod,
    created: () => eventAction(about, 'Normal', 'SuccessfulCreate', `${text} successful`),
    failed: (message) => eventAction(about, 'Warning', 'FailedCreate', `${text} failed error: ${message}`),
  }
}

const deleteMember = (set: StatefulSet, pod: Pod): Action[] => [
  deleteAction(refs.pods, pod),
  eventAction(
    referenceTo(set),
    'Normal',
    'SuccessfulDelete',
    `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`,
  ),
]

/** Surplus pods, highest ordinal first; in order, one at a time, and none while another pod is not healthy. */
function scaleDown(
  situation: Situation,
  condemned: readonly (readonly [number, Pod])[],
  pods: readonly Pod[],
  isOrdered: boolean,
): Step {
  const { set, view, nowMs } = situation
  const firstUnhealthy = pods
    .filter((pod) => !isHealthy(pod))
    .toSorted((a, b) => ordinalOf(set, a.metadata.name)! - ordinalOf(set, b.metadata.name)!)[0]
  const actions: Action[] = []
  for (const [ordinal, pod] of condemned) {
    if (isTerminating(pod)) {
      if (isOrdered) return { actions, isSettled: false }
      continue
    }
    const isReady = isRunningAndReady(pod) && isAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)
    if (isOrdered && !isReady && pod !== firstUnhealthy) return { actions, isSettled: false }
    // The claim must know that it goes with this pod before the pod is gone.
    const retention = retentionActions(set, ordinal, pod, pod, view)
    actions.push(...(retention.length > 0 ? retention : deleteMember(set, pod)))
    if (isOrdered) return { actions, isSettled: false }
  }
  return { actions, isSettled: true }
}

/** Pods of an older revision, from the highest ordinal down to the partition, at most maxUnavailable out at a time. */
function rollingUpdate(
  { set, update }: Situation,
  byOrdinal: ReadonlyMap<number, Pod>,
  start: number,
  end: number,
): Action[] {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {}
  if (type === 'OnDelete') return []
  const most = Math.max(1, scaledValue(rollingUpdate?.maxUnavailable ?? 1, replicasOf(set), false))
  const actions: Action[] = []
  let unavailable = 0
  for (let ordinal = end - 1; ordinal >= start + (rollingUpdate?.partition ?? 0); ordinal--) {
    const pod = byOrdinal.get(ordinal)
    if (unavailable >= most) break
    if (!pod || isTerminating(pod) || !isHealthy(pod)) unavailable++
    if (!pod || isTerminating(pod) || revisionOfPod(pod) === update.name) continue
    if (isHealthy(pod)) unavailable++
    actions.push(...deleteMember(set, pod))
  }
  return actions
}

function identityRepairs(
  { set, view }: Situation,
  byOrdinal: ReadonlyMap<number, Pod>,
  start: number,
  end: number,
): Action[] {
  const actions: Action[] = []
  for (const [ordinal, pod] of byOrdinal) {
    if (ordinal < start || ordinal >= end || isTerminating(pod)) continue
    actions.push(...retentionActions(set, ordinal, undefined, pod, view))
    const labels = identityLabels(pod, ordinal)
    if (labels)
      actions.push(
        mutateAction(refs.pods, pod, (current) => ({
          ...current,
          metadata: { ...current.metadata, labels: { ...current.metadata.labels, ...labels } },
        })),
      )
  }
  return actions
}
