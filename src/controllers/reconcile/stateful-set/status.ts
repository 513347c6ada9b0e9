import type { Pod, StatefulSet, StatefulSetStatus } from '../../../api/kinds.ts'
import { type History, revisionLabel } from '../controller-history.ts'
import { isAvailable, isReady } from '../pod-state.ts'
import { replicasOf } from './identity.ts'

/** The kubelet or the scheduler has seen it. */
export const isCreated = (pod: Pod): boolean => (pod.status?.phase ?? '') !== ''
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod)
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined
export const isHealthy = (pod: Pod): boolean => isRunningAndReady(pod) && !isTerminating(pod)
export const revisionOfPod = (pod: Pod): string => pod.metadata.labels?.[revisionLabel] ?? ''

/** Counts of the set's pods. A rolling update is over, and its revision the current one, when all are new and ready. */
export function statefulSetStatus(
  set: StatefulSet,
  pods: readonly Pod[],
  currentRevision: string,
  { update, collisionCount }: History,
  nowMs: number,
): StatefulSetStatus {
  const updateRevision = update.metadata.name!
  const minReadySeconds = set.spec?.minReadySeconds ?? 0
  const created = pods.filter(isCreated)
  const staying = created.filter((pod) => !isTerminating(pod))
  const ready = created.filter(isRunningAndReady)
  const status: StatefulSetStatus = {
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
    observedGeneration: set.metadata.generation ?? 0,
    replicas: created.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, minReadySeconds, nowMs)).length,
    currentReplicas: staying.filter((pod) => revisionOfPod(pod) === currentRevision).length,
    updatedReplicas: staying.filter((pod) => revisionOfPod(pod) === updateRevision).length,
    currentRevision,
    updateRevision,
    collisionCount,
  }
  const isOver =
    set.spec?.updateStrategy?.type !== 'OnDelete' &&
    status.updatedReplicas === status.replicas &&
    status.readyReplicas === status.replicas &&
    status.replicas === replicasOf(set)
  return isOver ? { ...status, currentReplicas: status.updatedReplicas, currentRevision: updateRevision } : status
}
