import type { Deployment, Pod, ReplicaSet } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
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
import {
  byAge,
  desiredReplicasAnnotation,
  findNewReplicaSet,
  inheritedAnnotations,
  maxReplicasAnnotation,
  newReplicaSet,
  revisionAnnotation,
  revisionHistoryAnnotation,
  highestRevision,
  revisionOf,
} from './deployment-revision.ts'
import { deadlineInMs, deploymentStatus, isComplete } from './deployment-status.ts'
import { ownerKeys } from './ownership.ts'
import { isFinished } from './pod-state.ts'
import {
  limits,
  newReplicas,
  proportionalStep,
  recreateStep,
  replicasOf,
  rollingStep,
  type Sizes,
  wasScaled,
} from './rollout.ts'
import { sameJson } from '../../lib/same-json.ts'
import {
  byController,
  childWatch,
  claimChildren,
  deleteAction,
  mutateAction,
  selfWatch,
  statusAction,
} from './workload.ts'

/** Rolls pods from one template to the next through ReplicaSets (apps/v1 Deployment). */
export const deploymentController: Controller = {
  name: 'deployment',
  watches: [
    selfWatch(refs.deployments),
    childWatch<Deployment>(refs.replicaSets, {
      ref: refs.deployments,
      kind: 'Deployment',
      selectorOf: (deployment) => deployment.spec?.selector,
    }),
    {
      // Recreate waits for the last old pod to be gone.
      ref: refs.pods,
      keysOf({ object, previous }, view) {
        if (object) return []
        return ownerKeys('ReplicaSet', [previous]).flatMap((key) => {
          const { namespace, name } = splitKey(key)
          return ownerKeys('Deployment', [view.get<ReplicaSet>(refs.replicaSets, namespace, name)])
        })
      },
    },
  ],
  keys: (view) => view.list<Deployment>(refs.deployments).map(keyOf),
  plan: planDeployment,
}

function planDeployment(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const stored = view.get<Deployment>(refs.deployments, namespace, name)
  if (!stored?.spec) return nothing
  const deployment = withoutCollision(stored, view)
  if (!deployment.spec) return nothing
  const { claimed, actions } = claimChildren<ReplicaSet>(view, refs.replicaSets, deployment, deployment.spec.selector)
  const fresh = findNewReplicaSet(deployment, claimed)
  const old = claimed.filter((set) => set !== fresh)
  if (!deployment.metadata.deletionTimestamp) {
    actions.push(...converge(deployment, fresh, old, view))
  }
  const status = deploymentStatus(deployment, fresh, claimed, nowMs)
  if (!sameJson(status, stored.status)) {
    actions.push(statusAction(refs.deployments, deployment, status))
  }
  if (!deployment.metadata.deletionTimestamp && isComplete(deployment, status)) actions.push(...prune(deployment, old))
  const deadlineMs = deadlineInMs({ ...deployment, status }, nowMs)
  return { actions, ...(Number.isFinite(deadlineMs) && deadlineMs > 0 ? { requeueAfterMs: deadlineMs + 1000 } : {}) }
}

/** Another template can have the same hash: its ReplicaSet is in the way, and the next count makes another name. */
function withoutCollision(deployment: Deployment, view: View): Deployment {
  const made = newReplicaSet(deployment, 0, 0n, 0)
  const present = view.get<ReplicaSet>(refs.replicaSets, made.metadata.namespace ?? '', made.metadata.name!)
  if (!present || findNewReplicaSet(deployment, [present])) return deployment
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1
  return { ...deployment, status: { ...deployment.status, collisionCount } }
}

/** Makes or marks the new ReplicaSet, then takes one step towards it. */
function converge(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  view: View,
): Action[] {
  const all = [...(fresh ? [fresh] : []), ...old]
  const revision = highestRevision(old) + 1n
  const { paused, strategy } = deployment.spec!
  if (paused || wasScaled(deployment, all)) return resize(deployment, proportionalStep(deployment, fresh, old), all)
  const isRecreate = strategy?.type === 'Recreate'
  if (!fresh) {
    if (isRecreate) {
      const sizes = recreateStep(deployment, undefined, old, runsPods(old, view))
      if (sizes.size > 0 || runsPods(old, view)) return resize(deployment, sizes, all)
    }
    const made = newReplicaSet(deployment, newReplicas(deployment, old, 0), revision, maxReplicas(deployment))
    return [
      {
        do: 'create',
        ref: refs.replicaSets,
        object: made,
        created: () => scaled(deployment, 'up', made, 0, replicasOf(made)),
        failed: (message) => ({
          do: 'event',
          about: referenceTo(deployment),
          type: 'Warning',
          reason: 'ReplicaSetCreateError',
          message: `Failed to create new replica set "${made.metadata.name}": ${message}`,
        }),
      },
      ...markRevision(deployment, revision),
    ]
  }
  const current = highestRevision([fresh]) > revision ? revisionOf(fresh) : revision
  const sizes = isRecreate
    ? recreateStep(deployment, fresh, old, runsPods(old, view))
    : rollingStep(deployment, fresh, old)
  return [
    ...markReplicaSet(deployment, fresh, current),
    ...markRevision(deployment, current),
    ...resize(deployment, sizes, all),
  ]
}

const maxReplicas = (deployment: Deployment): number => (deployment.spec?.replicas ?? 1) + limits(deployment).maxSurge

function runsPods(old: readonly ReplicaSet[], view: View): boolean {
  return old.some((set) =>
    view.indexed<Pod>(refs.pods, byController, set.metadata.uid ?? '').some((pod) => !isFinished(pod)),
  )
}

function resize(deployment: Deployment, sizes: Sizes, all: readonly ReplicaSet[]): Action[] {
  const wanted = String(deployment.spec?.replicas ?? 1)
  const most = String(maxReplicas(deployment))
  return all.flatMap((set): Action[] => {
    const size = sizes.get(set) ?? replicasOf(set)
    const annotations = set.metadata.annotations ?? {}
    const sized =
      replicasOf(set) === 0 && size === 0
        ? true
        : annotations[desiredReplicasAnnotation] === wanted && annotations[maxReplicasAnnotation] === most
    if (size === replicasOf(set) && sized) return []
    const change = mutateAction(refs.replicaSets, set, (current: ReplicaSet) => {
      current.metadata.annotations = {
        ...current.metadata.annotations,
        [desiredReplicasAnnotation]: wanted,
        [maxReplicasAnnotation]: most,
      }
      current.spec!.replicas = size
      return current
    })
    if (size === replicasOf(set)) return [change]
    return [change, scaled(deployment, size > replicasOf(set) ? 'up' : 'down', set, replicasOf(set), size)]
  })
}

function scaled(deployment: Deployment, direction: 'up' | 'down', set: ReplicaSet, from: number, to: number): Action {
  return {
    do: 'event',
    about: referenceTo(deployment),
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message: `Scaled ${direction} replica set ${set.metadata.name} from ${from} to ${to}`,
  }
}

/** The new ReplicaSet carries the revision, the Deployment's annotations (change-cause) and its minReadySeconds. */
function markReplicaSet(deployment: Deployment, set: ReplicaSet, revision: bigint): Action[] {
  const before = set.metadata.annotations ?? {}
  const annotations: Record<string, string> = {
    ...before,
    ...inheritedAnnotations(deployment),
    [revisionAnnotation]: String(revision),
  }
  if (before[revisionAnnotation] && before[revisionAnnotation] !== String(revision)) {
    // A roll back: the revisions that this template had before are remembered.
    const history = before[revisionHistoryAnnotation]
    annotations[revisionHistoryAnnotation] = history
      ? `${history},${before[revisionAnnotation]}`
      : before[revisionAnnotation]
  }
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
  if (sameJson(annotations, before) && (set.spec?.minReadySeconds ?? 0) === minReadySeconds) return []
  return [
    mutateAction(refs.replicaSets, set, (current: ReplicaSet) => {
      current.metadata.annotations = annotations
      if (minReadySeconds || current.spec!.minReadySeconds) current.spec!.minReadySeconds = minReadySeconds
      return current
    }),
  ]
}

function markRevision(deployment: Deployment, revision: bigint): Action[] {
  if (deployment.metadata.annotations?.[revisionAnnotation] === String(revision)) return []
  return [
    mutateAction(refs.deployments, deployment, (current) => {
      current.metadata.annotations = { ...current.metadata.annotations, [revisionAnnotation]: String(revision) }
      return current
    }),
  ]
}

/** Old ReplicaSets beyond the history limit go, oldest first, once nothing of them runs. */
function prune(deployment: Deployment, old: readonly ReplicaSet[]): Action[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10
  const surplus = old.length - limit
  if (surplus <= 0) return []
  return old
    .toSorted((a, b) => Number(revisionOf(a) - revisionOf(b)) || byAge(a, b))
    .slice(0, surplus)
    .filter((set) => replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0 && !set.metadata.deletionTimestamp)
    .map((set) => deleteAction(refs.replicaSets, set))
}
