import { join } from 'node:path'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/kinds.ts'
import { parseQuantity } from '../../lib/quantity.ts'

/** Volumes that are directories of the node on which their first pod runs. */
export const localPathProvisioner = 'stormo.dev/local-path'

const annotations = {
  selectedNode: 'volume.kubernetes.io/selected-node',
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  /** Ours: which node has the directory. */
  node: 'stormo.dev/node',
} as const

export const claimFinalizer = 'kubernetes.io/pvc-protection'
export const volumeFinalizer = 'kubernetes.io/pv-protection'

export const volumeNameOf = (claim: PersistentVolumeClaim): string => `pvc-${claim.metadata.uid}`

/** Whether this volume was made here. */
export const isOwnVolume = ({ metadata }: PersistentVolume, nodeName: string): boolean =>
  metadata.annotations?.[annotations.provisionedBy] === localPathProvisioner &&
  metadata.annotations[annotations.node] === nodeName

/**
 * The node that makes the claim's volume: the one that the scheduler has chosen; without binding at the first consumer
 * one by the claim's uid, the same whoever asks.
 */
export function provisioningNode(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  nodes: readonly Node[],
): string | undefined {
  const selected = claim.metadata.annotations?.[annotations.selectedNode]
  if (selected || storageClass.volumeBindingMode === 'WaitForFirstConsumer') return selected
  const ready = nodes
    .filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
    .map(({ metadata }) => metadata.name ?? '')
    .toSorted()
  return ready[parseInt((claim.metadata.uid ?? '').slice(0, 8), 16) % ready.length]
}

/** The volume for a claim, bound to it from the start. Pure. */
export function provisionedVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: { readonly name: string; readonly hostname: string },
  directory: string,
): PersistentVolume {
  const name = volumeNameOf(claim)
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name,
      annotations: { [annotations.provisionedBy]: localPathProvisioner, [annotations.node]: node.name },
    },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '0' },
      accessModes: claim.spec?.accessModes ?? [],
      volumeMode: 'Filesystem',
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      ...(storageClass.mountOptions ? { mountOptions: storageClass.mountOptions } : {}),
      claimRef: claimReference(claim),
      local: { path: join(directory, name) },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node.hostname] }] },
          ],
        },
      },
    },
  }
}

const claimReference = ({ metadata }: PersistentVolumeClaim) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
})

/** The claim with its volume; undefined when it says so already. */
export function boundClaim(claim: PersistentVolumeClaim, volumeName: string): PersistentVolumeClaim | undefined {
  if (claim.spec?.volumeName) return undefined
  const marks = { [annotations.bindCompleted]: 'yes', [annotations.boundByController]: 'yes' }
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations: { ...claim.metadata.annotations, ...marks } },
    spec: { ...claim.spec, volumeName },
  }
}

/** What the claim's status says once it has its volume; undefined when it says so already. */
export function boundClaimStatus(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): PersistentVolumeClaim['status'] | undefined {
  const storage = volume.spec?.capacity?.['storage']
  const { status } = claim
  if (status?.phase === 'Bound' && status.capacity?.['storage'] === storage) return undefined
  return {
    ...status,
    phase: 'Bound',
    accessModes: volume.spec?.accessModes ?? [],
    capacity: { storage: storage ?? '0' },
  }
}

/** The size that the claim has grown to; undefined when the volume has it. Directories need nothing else. */
export function grownSize(claim: PersistentVolumeClaim, volume: PersistentVolume): string | undefined {
  const wanted = claim.spec?.resources?.requests?.storage ?? '0'
  const has = volume.spec?.capacity?.['storage'] ?? '0'
  return parseQuantity(wanted).nano > parseQuantity(has).nano ? wanted : undefined
}

/** A claim that is being deleted stays while a pod may use it (upstream pvc-protection controller). */
export function isClaimInUse(claim: PersistentVolumeClaim, pods: readonly Pod[]): boolean {
  return pods.some(
    ({ metadata, spec, status }) =>
      spec?.nodeName !== undefined &&
      status?.phase !== 'Succeeded' &&
      status?.phase !== 'Failed' &&
      (spec.volumes ?? []).some(
        (volume) =>
          volume.persistentVolumeClaim?.claimName === claim.metadata.name ||
          (volume.ephemeral !== undefined && `${metadata.name}-${volume.name}` === claim.metadata.name),
      ),
  )
}
