import type { Pod, ReplicaSet, ReplicaSetStatus } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap } from '../../lib/selector.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../controller.ts'
import { availableInMs, byDeletionOrder, isActive, isAvailable, isReady, podFromTemplate } from './pod-state.ts'
import { claim, ownerKeys } from './ownership.ts'
import { sameJson } from './same-json.ts'

/** Pods made or deleted in one go; the rest follow when these are seen. */
const burst = 500

/** Keeps as many pods as `spec.replicas` says (apps/v1 ReplicaSet). */
export const replicaSetController: Controller = {
  name: 'replicaset',
  watches: [
    { ref: refs.replicaSets, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
    {
      ref: refs.pods,
      keysOf({ object, previous }, view) {
        const keys = ownerKeys('ReplicaSet', [object, previous])
        if (keys.length > 0 || !object) return keys
        // An orphan: any ReplicaSet that would adopt it.
        return view
          .list<ReplicaSet>(refs.replicaSets, object.metadata.namespace)
          .filter((set) => matchesLabelMap(set.spec?.selector.matchLabels, object.metadata.labels ?? {}))
          .map(keyOf)
      },
    },
  ],
  keys: (view) => view.list<ReplicaSet>(refs.replicaSets).map(keyOf),
  plan: planReplicaSet,
}

function planReplicaSet(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const set = view.get<ReplicaSet>(refs.replicaSets, namespace, name)
  if (!set?.spec) return nothing
  const { claimed, actions } = claim(set, set.spec.selector, refs.pods, view.list<Pod>(refs.pods, namespace))
  const active = claimed.filter(isActive)
  if (!set.metadata.deletionTimestamp) actions.push(...scale(set, active))
  const status = replicaSetStatus(set, claimed, nowMs)
  if (!sameJson(status, set.status)) actions.push(writeStatus(set, status))
  const minReadySeconds = set.spec.minReadySeconds ?? 0
  const waits = active
    .filter(isReady)
    .map((pod) => availableInMs(pod, minReadySeconds, nowMs))
    .filter((ms) => ms > 0)
  return { actions, ...(waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {}) }
}

function scale(set: ReplicaSet, active: readonly Pod[]): Action[] {
  const wanted = set.spec?.replicas ?? 1
  const missing = wanted - active.length
  const about = referenceTo(set)
  if (missing > 0) {
    const { template } = set.spec!
    if (!template) return []
    const create: Action = {
      do: 'create',
      ref: refs.pods,
      object: podFromTemplate(set, template),
      created: (pod) => ({
        do: 'event',
        about,
        type: 'Normal',
        reason: 'SuccessfulCreate',
        message: `Created pod: ${pod.metadata.name}`,
      }),
      failed: (message) => ({
        do: 'event',
        about,
        type: 'Warning',
        reason: 'FailedCreate',
        message: `Error creating: ${message}`,
      }),
    }
    return Array.from({ length: Math.min(missing, burst) }, () => create)
  }
  return byDeletionOrder(active)
    .slice(0, Math.min(-missing, burst))
    .flatMap((pod): Action[] => [
      {
        do: 'delete',
        ref: refs.pods,
        namespace: pod.metadata.namespace ?? '',
        name: pod.metadata.name!,
        uid: pod.metadata.uid!,
      },
      { do: 'event', about, type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata.name}` },
    ])
}

function replicaSetStatus(set: ReplicaSet, claimed: readonly Pod[], nowMs: number): ReplicaSetStatus {
  const active = claimed.filter(isActive)
  const ready = active.filter(isReady)
  const templateLabels = set.spec?.template?.metadata?.labels
  return {
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesLabelMap(templateLabels, pod.metadata.labels ?? {})).length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)).length,
    terminatingReplicas: claimed.filter((pod) => pod.metadata.deletionTimestamp !== undefined).length,
    observedGeneration: set.metadata.generation ?? 0,
  }
}

function writeStatus(set: ReplicaSet, status: ReplicaSetStatus): Action {
  return {
    do: 'mutate',
    ref: refs.replicaSets,
    namespace: set.metadata.namespace ?? '',
    name: set.metadata.name!,
    uid: set.metadata.uid!,
    subresource: 'status',
    change: (current) => ({ ...current, status }) as typeof current,
  }
}
