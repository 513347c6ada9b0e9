import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../../src/api/kinds.ts'
import { humanDuration } from '../../../src/lib/duration.ts'
import { formatLabels } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import {
  annotationLines,
  boolText,
  type DescribeContext,
  fullTime,
  goList,
  indent,
  labelLines,
  multiline,
  sortedEntries,
} from './lines.ts'
import { oneVolume } from './volumes.ts'

const shortModes = new Map([
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
])

const modesText = (modes: readonly string[] = []): string =>
  [...shortModes].flatMap(([mode, short]) => (modes.includes(mode) ? [short] : [])).join(',')

function phaseLine(object: PersistentVolume | PersistentVolumeClaim, nowMs: number): string {
  const { deletionTimestamp } = object.metadata
  if (!deletionTimestamp) return `Status:\t${object.status?.phase ?? ''}`
  return `Status:\tTerminating (lasts ${humanDuration(nowMs - Date.parse(deletionTimestamp))})`
}

export function describePersistentVolume(volume: PersistentVolume, context: DescribeContext): string[] {
  const { metadata, spec, status } = volume
  const claim = spec?.claimRef
  return [
    `Name:\t${metadata.name}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `Finalizers:\t${goList(metadata.finalizers)}`,
    `StorageClass:\t${spec?.storageClassName ?? ''}`,
    ...(spec?.volumeAttributesClassName ? [`VolumeAttributesClass:\t${spec.volumeAttributesClassName}`] : []),
    phaseLine(volume, context.nowMs),
    `Claim:\t${claim ? `${claim.namespace}/${claim.name}` : ''}`,
    `Reclaim Policy:\t${spec?.persistentVolumeReclaimPolicy ?? ''}`,
    `Access Modes:\t${modesText(spec?.accessModes)}`,
    ...(spec?.volumeMode ? [`VolumeMode:\t${spec.volumeMode}`] : []),
    `Capacity:\t${spec?.capacity?.['storage'] ?? '0'}`,
    ...nodeAffinityLines(spec?.nodeAffinity?.required),
    `Message:\t${status?.message ?? ''}`,
    'Source:',
    ...indent(2, sourceLines(spec)),
    ...eventLines(context),
  ]
}

function nodeAffinityLines(required: NodeSelector | undefined): string[] {
  if (!required) return ['Node Affinity:\t<none>']
  return [
    'Node Affinity:\t',
    '  Required Terms:\t',
    ...required.nodeSelectorTerms.flatMap(({ matchExpressions = [] }, index) =>
      indent(
        2,
        multiline(
          `Term ${index}`,
          matchExpressions.map(
            ({ key, operator, values = [] }) =>
              `${key} ${operator.toLowerCase()}${values.length > 0 ? ` [${values.join(', ')}]` : ''}`,
          ),
        ),
      ),
    ),
  ]
}

function sourceLines(spec: PersistentVolume['spec']): string[] {
  if (spec?.local)
    return ['Type:\tLocalVolume (a persistent volume backed by local storage on a node)', `Path:\t${spec.local.path}`]
  if (spec?.csi) {
    const attributes = sortedEntries(spec.csi.volumeAttributes).map(([key, value]) => `    ${key}=${value}`)
    return [
      'Type:\tCSI (a Container Storage Interface (CSI) volume source)',
      `Driver:\t${spec.csi.driver}`,
      `FSType:\t${spec.csi.fsType ?? ''}`,
      `VolumeHandle:\t${spec.csi.volumeHandle}`,
      `ReadOnly:\t${spec.csi.readOnly ?? false}`,
      ...multiline('VolumeAttributes', attributes),
    ]
  }
  return oneVolume({
    name: '',
    ...(spec?.hostPath ? { hostPath: spec.hostPath } : {}),
    ...(spec?.nfs ? { nfs: spec.nfs } : {}),
  })
}

export interface ClaimContext extends DescribeContext {
  /** Pods of the namespace. */
  pods: readonly Pod[]
}

export function describePersistentVolumeClaim(claim: PersistentVolumeClaim, context: ClaimContext): string[] {
  const { metadata, spec, status } = claim
  const isBound = Boolean(spec?.volumeName)
  const source = spec?.dataSource
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace}`,
    `StorageClass:\t${spec?.storageClassName ?? ''}`,
    phaseLine(claim, context.nowMs),
    `Volume:\t${spec?.volumeName ?? ''}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `Finalizers:\t${goList(metadata.finalizers)}`,
    `Capacity:\t${isBound ? (status?.capacity?.['storage'] ?? '0') : ''}`,
    `Access Modes:\t${isBound ? modesText(status?.accessModes) : ''}`,
    ...(spec?.volumeMode ? [`VolumeMode:\t${spec.volumeMode}`] : []),
    ...(source
      ? [
          'DataSource:',
          ...(source.apiGroup ? [`  APIGroup:\t${source.apiGroup}`] : []),
          `  Kind:\t${source.kind}`,
          `  Name:\t${source.name}`,
        ]
      : []),
    ...multiline('Used By', usersOf(claim, context.pods)),
    ...(status?.conditions?.length
      ? [
          'Conditions:',
          '  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage',
          '  ----\t------\t-----------------\t------------------\t------\t-------',
          ...status.conditions.map(
            (one) =>
              `  ${one.type} \t${one.status} \t${fullTime(one.lastProbeTime)} \t${fullTime(one.lastTransitionTime)} \t${one.reason ?? ''} \t${one.message ?? ''}`,
          ),
        ]
      : []),
    ...eventLines(context),
  ]
}

/** Names of the pods that mount the claim, be it named or made for the pod. */
const usersOf = ({ metadata }: PersistentVolumeClaim, pods: readonly Pod[]): string[] =>
  pods.flatMap((pod) =>
    pod.spec?.volumes?.some(
      (volume) =>
        volume.persistentVolumeClaim?.claimName === metadata.name ||
        (volume.ephemeral && `${pod.metadata.name}-${volume.name}` === metadata.name),
    )
      ? [pod.metadata.name ?? '']
      : [],
  )

const defaultClass = 'storageclass.kubernetes.io/is-default-class'

export function describeStorageClass(storage: StorageClass, context: DescribeContext): string[] {
  const { metadata, mountOptions = [] } = storage
  return [
    `Name:\t${metadata.name}`,
    `IsDefaultClass:\t${metadata.annotations?.[defaultClass] === 'true' ? 'Yes' : 'No'}`,
    ...`Annotations:\t${formatLabels(metadata.annotations)}`.split('\n'),
    `Provisioner:\t${storage.provisioner}`,
    `Parameters:\t${formatLabels(storage.parameters)}`,
    `AllowVolumeExpansion:\t${boolText(storage.allowVolumeExpansion)}`,
    ...(mountOptions.length === 0
      ? ['MountOptions:\t<none>']
      : ['MountOptions:', ...mountOptions.map((one) => `  ${one}`)]),
    ...(storage.reclaimPolicy ? [`ReclaimPolicy:\t${storage.reclaimPolicy}`] : []),
    ...(storage.volumeBindingMode ? [`VolumeBindingMode:\t${storage.volumeBindingMode}`] : []),
    ...topologyLines(storage.allowedTopologies ?? []),
    ...eventLines(context),
  ]
}

const topologyLines = (terms: NonNullable<StorageClass['allowedTopologies']>): string[] =>
  terms.length === 0
    ? []
    : [
        'AllowedTopologies:\t',
        ...terms.flatMap(({ matchLabelExpressions = [] }, index) =>
          indent(
            1,
            multiline(
              `Term ${index}`,
              matchLabelExpressions.map(({ key, values }) => `${key} in [${values.join(', ')}]`),
            ),
          ),
        ),
      ]
