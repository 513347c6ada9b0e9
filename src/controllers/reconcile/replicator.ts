import type {
  LabelSelector,
  ObjectMeta,
  Pod,
  PodTemplateSpec,
  ReplicaSetCondition,
  ReplicaSetStatus,
} from '../../api/kinds.ts'
import type { GroupResource } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap } from '../../lib/selector.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { availableInMs, byDeletionOrder, isActive, isReady, podFromTemplate } from './pod-state.ts'
import { sameJson } from '../../lib/same-json.ts'
import { timestamp } from './timestamp.ts'
import { childWatch, claimChildren, createPod, deletePod, mutateAction, selfWatch, statusAction } from './workload.ts'

/** Pods made or deleted in one go; the rest follow when these are seen. */
const burst = 500

/** What ReplicaSet and ReplicationController have in common. */
interface Replicated {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  spec?: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec }
  status?: ReplicaSetStatus
}

export interface ReplicatorOptions<T> {
  name: string
  ref: GroupResource
  kind: string
  selectorOf(set: T): LabelSelector | undefined
  /** Whether the status has terminatingReplicas. */
  countsTerminating: boolean
}

/** Keeps as many pods of one template as `spec.replicas` says. */
export function replicator<T extends Replicated>(options: ReplicatorOptions<T>): Controller {
  const { name, ref, kind, selectorOf } = options
  return {
    name,
    watches: [selfWatch(ref), childWatch<T>(refs.pods, { ref, kind, selectorOf })],
    keys: (view) => view.list<T>(ref).map(keyOf),
    plan: (key, view, nowMs) => planReplicas(options, key, view, nowMs),
  }
}

function planReplicas<T extends Replicated>(
  { ref, selectorOf, countsTerminating }: ReplicatorOptions<T>,
  key: string,
  view: View,
  nowMs: number,
): Plan {
  const { namespace, name } = splitKey(key)
  const set = view.get<T>(ref, namespace, name)
  if (!set?.spec) return nothing
  const { claimed, actions } = claimChildren<Pod>(view, refs.pods, set, selectorOf(set))
  const active = claimed.filter(isActive)
  const ready = active.filter(isReady)
  if (!set.metadata.deletionTimestamp) actions.push(...scale(ref, set, active, nowMs))
  const counted = { active, ready, ...(countsTerminating ? { terminating: claimed.filter(isTerminating) } : {}) }
  const status = statusOf(set, counted, nowMs)
  if (!sameJson(status, set.status)) actions.push(statusAction(ref, set, status))
  const waits = ready.map((pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, nowMs)).filter((ms) => ms > 0)
  return { actions, ...(waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {}) }
}

function scale(ref: GroupResource, set: Replicated, active: readonly Pod[], nowMs: number): Action[] {
  const { template, replicas = 1 } = set.spec!
  const missing = replicas - active.length
  if (missing > 0) {
    if (!template) return []
    const create = createPod(set, podFromTemplate(set, template), (message) => [tellFailure(ref, set, message, nowMs)])
    return [{ do: 'createSlowly', creations: Array.from({ length: Math.min(missing, burst) }, () => create) }]
  }
  if (missing === 0) return []
  return byDeletionOrder(active)
    .slice(0, Math.min(-missing, burst))
    .flatMap((pod) => deletePod(set, pod))
}

/** Says in the status that pods cannot be made (a quota, an admission policy); it goes when all are there. */
function tellFailure(ref: GroupResource, set: Replicated, message: string, nowMs: number): Action {
  const condition: ReplicaSetCondition = {
    type: 'ReplicaFailure',
    status: 'True',
    reason: 'FailedCreate',
    message,
    lastTransitionTime: timestamp(nowMs),
  }
  return mutateAction(
    ref,
    set,
    (current) => {
      const conditions = current.status?.conditions ?? []
      if (conditions.some((one) => one.type === condition.type && one.status === 'True')) return undefined
      return {
        ...current,
        status: { ...current.status, replicas: current.status?.replicas ?? 0, conditions: [...conditions, condition] },
      }
    },
    'status',
  )
}

const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined

function statusOf(
  set: Replicated,
  { active, ready, terminating }: { active: readonly Pod[]; ready: readonly Pod[]; terminating?: readonly Pod[] },
  nowMs: number,
): ReplicaSetStatus {
  const { template, replicas = 1, minReadySeconds = 0 } = set.spec!
  const templateLabels = template?.metadata?.labels
  const isShort = active.length < replicas
  const conditions = (set.status?.conditions ?? []).filter((one) => isShort || one.type !== 'ReplicaFailure')
  return {
    ...(conditions.length > 0 ? { conditions } : {}),
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesLabelMap(templateLabels, pod.metadata.labels ?? {})).length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => availableInMs(pod, minReadySeconds, nowMs) <= 0).length,
    ...(terminating ? { terminatingReplicas: terminating.length } : {}),
    observedGeneration: set.metadata.generation ?? 0,
  }
}
