import type { DaemonSet, PersistentVolumeClaim, ReplicationController, StatefulSet } from '../../../src/api/kinds.ts'
import { formatLabels, formatLabelSelector } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import { annotationLines, fullTime, goList, indent, labelLines } from './lines.ts'
import { templateLines } from './pod.ts'
import { podCountsText, type PodsContext, replicaLines } from './workload.ts'

export function describeStatefulSet(set: StatefulSet, context: PodsContext): string[] {
  const { metadata, spec, status } = set
  const rolling = spec?.updateStrategy?.rollingUpdate
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace}`,
    `CreationTimestamp:\t${fullTime(metadata.creationTimestamp)}`,
    `Selector:\t${formatLabelSelector(spec?.selector)}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `Replicas:\t${spec?.replicas ?? 1} desired | ${status?.replicas ?? 0} total`,
    `Update Strategy:\t${spec?.updateStrategy?.type ?? ''}`,
    ...(rolling?.partition === undefined ? [] : [`  Partition:\t${rolling.partition}`]),
    ...(rolling?.maxUnavailable === undefined ? [] : [`  MaxUnavailable:\t${rolling.maxUnavailable}`]),
    `Pods Status:\t${podCountsText(context.pods)}`,
    ...templateLines(spec?.template),
    ...claimTemplateLines(spec?.volumeClaimTemplates ?? []),
    ...eventLines(context),
  ]
}

function claimTemplateLines(claims: readonly PersistentVolumeClaim[]): string[] {
  if (claims.length === 0) return ['Volume Claims:\t<none>']
  return [
    'Volume Claims:',
    ...claims.flatMap(({ metadata, spec }) =>
      indent(1, [
        `Name:\t${metadata.name}`,
        `StorageClass:\t${spec?.storageClassName ?? ''}`,
        ...labelLines('Labels', metadata.labels),
        ...annotationLines(metadata.annotations),
        `Capacity:\t${spec?.resources?.requests?.['storage'] ?? '<default>'}`,
        `Access Modes:\t${goList(spec?.accessModes)}`,
      ]),
    ),
  ]
}

export function describeDaemonSet(set: DaemonSet, context: PodsContext): string[] {
  const { metadata, spec, status } = set
  return [
    `Name:\t${metadata.name}`,
    `Selector:\t${formatLabelSelector(spec?.selector)}`,
    `Node-Selector:\t${formatLabels(spec?.template.spec?.nodeSelector)}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `Desired Number of Nodes Scheduled: ${status?.desiredNumberScheduled ?? 0}`,
    `Current Number of Nodes Scheduled: ${status?.currentNumberScheduled ?? 0}`,
    `Number of Nodes Scheduled with Up-to-date Pods: ${status?.updatedNumberScheduled ?? 0}`,
    `Number of Nodes Scheduled with Available Pods: ${status?.numberAvailable ?? 0}`,
    `Number of Nodes Misscheduled: ${status?.numberMisscheduled ?? 0}`,
    `Pods Status:\t${podCountsText(context.pods)}`,
    ...templateLines(spec?.template),
    ...eventLines(context),
  ]
}

export const describeReplicationController = (set: ReplicationController, context: PodsContext): string[] =>
  replicaLines(set, formatLabels(set.spec?.selector), context)
