import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/kinds.ts'
import { limits } from './rollout.ts'
import { timestamp } from './timestamp.ts'

const sum = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number | undefined): number =>
  sets.reduce((result, set) => result + (count(set) ?? 0), 0)

/** The status of a Deployment from its ReplicaSets; conditions keep their times while they do not change. */
export function deploymentStatus(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const wanted = deployment.spec?.replicas ?? 1
  const replicas = sum(all, (set) => set.status?.replicas)
  const availableReplicas = sum(all, (set) => set.status?.availableReplicas)
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: sum(all, (set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(all, (set) => set.spec?.replicas) - availableReplicas),
    terminatingReplicas: sum(all, (set) => set.status?.terminatingReplicas),
    ...(deployment.status?.collisionCount ? { collisionCount: deployment.status.collisionCount } : {}),
  }
  const isAvailable = availableReplicas >= wanted - limits(deployment).maxUnavailable
  const own = ['Available', 'Progressing', 'ReplicaFailure']
  const conditions = [
    // What others have put there is theirs to keep.
    ...(deployment.status?.conditions ?? []).filter(({ type }) => !own.includes(type)),
    condition(
      deployment,
      nowMs,
      'Available',
      isAvailable,
      isAvailable
        ? ['MinimumReplicasAvailable', 'Deployment has minimum availability.']
        : ['MinimumReplicasUnavailable', 'Deployment does not have minimum availability.'],
    ),
    progressing(deployment, fresh, counts, nowMs),
    replicaFailure(deployment, fresh, all, nowMs),
  ].filter((one) => one !== undefined)
  return { ...counts, conditions }
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = deployment.spec?.replicas ?? 1
  return (
    status.updatedReplicas === wanted &&
    status.replicas === wanted &&
    status.availableReplicas === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

/** Pods that cannot be made: as the new ReplicaSet says, or else one of the old ones. */
function replicaFailure(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentCondition | undefined {
  const failureOf = (set: ReplicaSet | undefined) =>
    set?.status?.conditions?.find(({ type }) => type === 'ReplicaFailure')
  const found = failureOf(fresh) ?? all.map(failureOf).find((one) => one !== undefined)
  if (!found) return undefined
  return condition(deployment, nowMs, 'ReplicaFailure', found.status === 'True', [
    found.reason ?? '',
    found.message ?? '',
  ])
}

type Counts = Omit<DeploymentStatus, 'conditions'>

function progressing(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  counts: Counts,
  nowMs: number,
): DeploymentCondition | undefined {
  const before = conditionOf(deployment, 'Progressing')
  if (deployment.spec?.paused)
    return condition(deployment, nowMs, 'Progressing', 'Unknown', ['DeploymentPaused', 'Deployment is paused'])
  const about = fresh ? `ReplicaSet "${fresh.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  if (isComplete(deployment, counts)) {
    // Its time stays, so that a Deployment that has been complete for long is not written again.
    return condition(deployment, nowMs, 'Progressing', true, [
      'NewReplicaSetAvailable',
      `${about} has successfully progressed.`,
    ])
  }
  const old = deployment.status ?? {}
  const moved =
    (counts.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    (counts.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (old.availableReplicas ?? 0) ||
    (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0) < (old.replicas ?? 0) - (old.updatedReplicas ?? 0) ||
    (old.observedGeneration ?? 0) < (deployment.metadata.generation ?? 0)
  if (moved || !before) {
    return {
      ...condition(deployment, nowMs, 'Progressing', true, ['ReplicaSetUpdated', `${about} is progressing.`]),
      lastUpdateTime: timestamp(nowMs),
    }
  }
  if (deadlineInMs(deployment, nowMs) <= 0)
    return condition(deployment, nowMs, 'Progressing', false, [
      'ProgressDeadlineExceeded',
      `${about} has timed out progressing.`,
    ])
  return before
}

/** Milliseconds until the rollout counts as failed; Infinity when there is no deadline or nothing to wait for. */
export function deadlineInMs(deployment: Deployment, nowMs: number): number {
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600
  const progressing = conditionOf(deployment, 'Progressing')
  if (
    seconds >= 2 ** 31 - 1 ||
    deployment.spec?.paused ||
    !progressing ||
    progressing.reason === 'NewReplicaSetAvailable'
  )
    return Infinity
  return Date.parse(progressing.lastUpdateTime ?? '') + seconds * 1000 - nowMs
}

const conditionOf = (deployment: Deployment, type: string) =>
  deployment.status?.conditions?.find((one) => one.type === type)

function condition(
  deployment: Deployment,
  nowMs: number,
  type: string,
  status: boolean | 'Unknown',
  [reason, message]: [string, string],
): DeploymentCondition {
  const text = status === 'Unknown' ? 'Unknown' : status ? 'True' : 'False'
  const before = conditionOf(deployment, type)
  if (before?.status === text && before.reason === reason && before.message === message) return before
  const now = timestamp(nowMs)
  return {
    type,
    status: text,
    reason,
    message,
    lastUpdateTime: now,
    lastTransitionTime: before?.status === text ? before.lastTransitionTime : now,
  }
}
