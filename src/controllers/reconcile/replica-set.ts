import type { Pod, ReplicaSet, ReplicaSetStatus } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap } from '../../lib/selector.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { availableInMs, byDeletionOrder, isActive, isAvailable, isReady, podFromTemplate } from './pod-state.ts'
import { sameJson } from './same-json.ts'
import { childWatch, claimChildren, createPod, deletePod, selfWatch, statusAction } from './workload.ts'

/** Pods made or deleted in one go; the rest follow when these are seen. */
const burst = 500

/** Keeps as many pods as `spec.replicas` says (apps/v1 ReplicaSet). */
export const replicaSetController: Controller = {
  name: 'replicaset',
  watches: [
    selfWatch(refs.replicaSets),
    childWatch<ReplicaSet>(refs.pods, {
      ref: refs.replicaSets,
      kind: 'ReplicaSet',
      selectorOf: (set) => set.spec?.selector,
    }),
  ],
  keys: (view) => view.list<ReplicaSet>(refs.replicaSets).map(keyOf),
  plan: planReplicaSet,
}

function planReplicaSet(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const set = view.get<ReplicaSet>(refs.replicaSets, namespace, name)
  if (!set?.spec) return nothing
  const { claimed, actions } = claimChildren<Pod>(view, refs.pods, set, set.spec.selector)
  const active = claimed.filter(isActive)
  if (!set.metadata.deletionTimestamp) actions.push(...scale(set, active))
  const status = replicaSetStatus(set, claimed, nowMs)
  if (!sameJson(status, set.status)) actions.push(statusAction(refs.replicaSets, set, status))
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
  if (missing > 0) {
    const { template } = set.spec!
    if (!template) return []
    const create = createPod(set, podFromTemplate(set, template))
    return Array.from({ length: Math.min(missing, burst) }, () => create)
  }
  return byDeletionOrder(active)
    .slice(0, Math.min(-missing, burst))
    .flatMap((pod) => deletePod(set, pod))
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
