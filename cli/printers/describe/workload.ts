import type { Deployment, ReplicaSet, ReplicationController } from '../../../src/api/kinds.ts'
import { formatLabelSelector } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import { annotationLines, controllerOf, type DescribeContext, fullTime, labelLines } from './lines.ts'
import { templateLines } from './pod.ts'

/** Pods of a workload by how they are. */
export interface PodCounts {
  running: number
  waiting: number
  succeeded: number
  failed: number
}

export const podCountsText = ({ running, waiting, succeeded, failed }: PodCounts): string =>
  `${running} Running / ${waiting} Waiting / ${succeeded} Succeeded / ${failed} Failed`

export interface DeploymentContext extends DescribeContext {
  /** Its replica sets, oldest first. */
  replicaSets: readonly ReplicaSet[]
}

const revisionAnnotation = 'deployment.kubernetes.io/revision'

export function describeDeployment(deployment: Deployment, context: DeploymentContext): string[] {
  const { metadata, spec, status } = deployment
  const rolling = spec?.strategy?.rollingUpdate
  return [
    `Name:\t${metadata.name ?? ''}`,
    `Namespace:\t${metadata.namespace ?? ''}`,
    `CreationTimestamp:\t${fullTime(metadata.creationTimestamp)}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `Selector:\t${formatLabelSelector(spec?.selector)}`,
    `Replicas:\t${spec?.replicas ?? 1} desired | ${status?.updatedReplicas ?? 0} updated | ${status?.replicas ?? 0} total | ${status?.availableReplicas ?? 0} available | ${status?.unavailableReplicas ?? 0} unavailable`,
    `StrategyType:\t${spec?.strategy?.type ?? ''}`,
    `MinReadySeconds:\t${spec?.minReadySeconds ?? 0}`,
    ...(rolling
      ? [`RollingUpdateStrategy:\t${rolling.maxUnavailable} max unavailable, ${rolling.maxSurge} max surge`]
      : []),
    ...templateLines(spec?.template),
    ...conditionLines(status?.conditions),
    ...replicaSetLines(deployment, context.replicaSets),
    ...eventLines(context),
  ]
}

function replicaSetLines(deployment: Deployment, sets: readonly ReplicaSet[]): string[] {
  const current = deployment.metadata.annotations?.[revisionAnnotation]
  const isNew = (set: ReplicaSet): boolean => set.metadata.annotations?.[revisionAnnotation] === current
  const describe = (chosen: readonly ReplicaSet[]): string =>
    chosen
      .map((set) => `${set.metadata.name} (${set.status?.replicas ?? 0}/${set.spec?.replicas ?? 0} replicas created)`)
      .join(', ') || '<none>'
  return [
    `OldReplicaSets:\t${describe(sets.filter((set) => !isNew(set)))}`,
    `NewReplicaSet:\t${describe(sets.filter(isNew))}`,
  ]
}

export interface PodsContext extends DescribeContext {
  pods: PodCounts
}

export const describeReplicaSet = (set: ReplicaSet, context: PodsContext): string[] =>
  replicaLines(set, formatLabelSelector(set.spec?.selector), context)

/** A replica set and a replication controller differ in the form of their selectors. */
export function replicaLines(
  set: ReplicaSet | ReplicationController,
  selector: string,
  context: PodsContext,
): string[] {
  const { metadata, spec, status } = set
  const controller = controllerOf(set)
  return [
    `Name:\t${metadata.name ?? ''}`,
    `Namespace:\t${metadata.namespace ?? ''}`,
    `Selector:\t${selector}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    ...(controller ? [`Controlled By:\t${controller}`] : []),
    `Replicas:\t${status?.replicas ?? 0} current / ${spec?.replicas ?? 1} desired`,
    `Pods Status:\t${podCountsText(context.pods)}`,
    ...templateLines(spec?.template),
    ...conditionLines(status?.conditions),
    ...eventLines(context),
  ]
}

const conditionLines = (conditions: readonly { type: string; status: string; reason?: string }[] = []): string[] =>
  conditions.length === 0
    ? []
    : [
        'Conditions:',
        '  Type\tStatus\tReason',
        '  ----\t------\t------',
        ...conditions.map((one) => `  ${one.type} \t${one.status}\t${one.reason ?? ''}`),
      ]
