import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { CSIDriver, PersistentVolume, Pod, Volume } from '../../api/kinds.ts'
import { nodeCapabilities, type VolumeCapability } from './csi-api.ts'

/** A volume that a driver is asked for, whether it has an object of its own or is part of a pod. Pure. */
export interface CsiVolume {
  readonly driver: string
  readonly handle: string
  /** Directory of its pod's volumes: the PersistentVolume's name, or the volume's in its pod. */
  readonly directory: string
  readonly ephemeral: boolean
  readonly fsType: string
  readonly mountFlags: readonly string[]
  readonly accessModes: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  readonly block: boolean
  readonly readOnly: boolean
  readonly stageSecret?: SecretName
  readonly publishSecret?: SecretName
  readonly expandSecret?: SecretName
}

export interface SecretName {
  readonly namespace: string
  readonly name: string
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Name of the VolumeAttachment through which a volume gets to a node (upstream csi_attacher.go). */
export const attachmentName = (handle: string, driver: string, node: string): string =>
  `csi-${digest(`${handle}${driver}${node}`)}`

/** What a node's status calls a volume that it uses. */
export const uniqueVolumeName = (driver: string, handle: string): string => `kubernetes.io/csi/${driver}^${handle}`

/** Where a volume is staged, once for all pods of the node. */
export const stagingDirectory = (root: string, driver: string, handle: string): string =>
  join(root, 'plugins', 'kubernetes.io', 'csi', driver, digest(handle))

const secretName = (ref: { name?: string; namespace?: string } | undefined): SecretName | undefined =>
  ref === undefined ? undefined : { namespace: ref.namespace ?? '', name: ref.name ?? '' }

/** The volume of a PersistentVolume; undefined when no driver serves it. */
export function persistentCsiVolume(volume: PersistentVolume, readOnly: boolean): CsiVolume | undefined {
  const { csi, accessModes = [], mountOptions = [], volumeMode } = volume.spec ?? {}
  if (csi === undefined) return undefined
  return {
    driver: csi.driver,
    handle: csi.volumeHandle,
    directory: volume.metadata.name ?? '',
    ephemeral: false,
    fsType: csi.fsType ?? '',
    mountFlags: mountOptions,
    accessModes,
    attributes: csi.volumeAttributes ?? {},
    block: volumeMode === 'Block',
    readOnly: readOnly || csi.readOnly === true,
    stageSecret: secretName(csi.nodeStageSecretRef),
    publishSecret: secretName(csi.nodePublishSecretRef),
    expandSecret: secretName(csi.nodeExpandSecretRef),
  }
}

/** The volume that is part of a pod (KEP-596); undefined when it is none of a driver's. */
export function inlineCsiVolume(pod: Pod, { name, csi }: Volume): CsiVolume | undefined {
  if (csi === undefined) return undefined
  return {
    driver: csi.driver,
    handle: `csi-${digest(`${pod.metadata.uid}${name}`)}`,
    directory: name,
    ephemeral: true,
    fsType: csi.fsType ?? '',
    mountFlags: [],
    accessModes: ['ReadWriteOnce'],
    attributes: csi.volumeAttributes ?? {},
    block: false,
    readOnly: csi.readOnly === true,
    publishSecret: secretName(
      csi.nodePublishSecretRef && { ...csi.nodePublishSecretRef, namespace: pod.metadata.namespace },
    ),
  }
}

/** Why the driver does not serve such a volume; undefined when it does. Without its CSIDriver it serves lasting ones. */
export function lifecycleRefusal(volume: CsiVolume, driver: CSIDriver | undefined): string | undefined {
  const modes = driver?.spec.volumeLifecycleModes ?? ['Persistent']
  const wanted = volume.ephemeral ? 'Ephemeral' : 'Persistent'
  if (modes.includes(wanted)) return undefined
  return `volume mode "${wanted}" not supported by driver ${volume.driver} (only supports ${JSON.stringify(modes)})`
}

/** Numbers of VolumeCapability.AccessMode.Mode by what claims call them. */
const modeNumbers: Readonly<Record<string, number>> = { ReadWriteOnce: 1, ReadOnlyMany: 3, ReadWriteMany: 5 }
const singleNodeSingleWriter = 6
const singleNodeMultiWriter = 7

export function volumeCapability(
  volume: CsiVolume,
  capabilities: ReadonlySet<number>,
  mountGroup: number | undefined,
): VolumeCapability {
  const [first = 'ReadWriteOnce'] = ['ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod', 'ReadOnlyMany'].filter(
    (mode) => volume.accessModes.includes(mode),
  )
  const tellsWriters = capabilities.has(nodeCapabilities.singleNodeMultiWriter)
  const mode =
    first === 'ReadWriteOncePod'
      ? tellsWriters
        ? singleNodeSingleWriter
        : 1
      : first === 'ReadWriteOnce' && tellsWriters
        ? singleNodeMultiWriter
        : (modeNumbers[first] ?? 1)
  const accessMode = { mode }
  if (volume.block) return { block: {}, accessMode }
  const group = mountGroup === undefined ? '' : String(mountGroup)
  return { mount: { fsType: volume.fsType, mountFlags: volume.mountFlags, volumeMountGroup: group }, accessMode }
}

/** Whether the volume's files are given to the pod's group here (CSIDriver's fsGroupPolicy, KEP-1682). */
export function takesGroup(volume: CsiVolume, driver: CSIDriver | undefined): boolean {
  if (volume.readOnly || volume.block) return false
  const policy = driver?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType'
  if (policy === 'File') return true
  if (policy === 'None' || volume.fsType === '') return false
  return volume.accessModes.length > 0 && volume.accessModes.every((mode) => mode.startsWith('ReadWriteOnce'))
}

/** What the driver is told of the pod, where its CSIDriver asks for it (podInfoOnMount). */
export function podInfo(pod: Pod, volume: CsiVolume, driver: CSIDriver | undefined): Record<string, string> {
  if (!driver?.spec.podInfoOnMount) return {}
  const { name = '', namespace = '', uid = '' } = pod.metadata
  return {
    'csi.storage.k8s.io/pod.name': name,
    'csi.storage.k8s.io/pod.namespace': namespace,
    'csi.storage.k8s.io/pod.uid': uid,
    'csi.storage.k8s.io/serviceAccount.name': pod.spec?.serviceAccountName ?? 'default',
    'csi.storage.k8s.io/ephemeral': String(volume.ephemeral),
  }
}
