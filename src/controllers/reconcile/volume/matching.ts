import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { compareQuantity, parseQuantity } from '../../../lib/quantity.ts'
import { matchesLabelSelector } from '../../../lib/selector.ts'
import type { View } from '../../controller.ts'

const betaClass = 'volume.beta.kubernetes.io/storage-class'

export const classOf = (object: PersistentVolume | PersistentVolumeClaim): string =>
  object.metadata.annotations?.[betaClass] ?? object.spec?.storageClassName ?? ''

export const storageClassOf = (claim: PersistentVolumeClaim, view: View): StorageClass | undefined =>
  classOf(claim) === '' ? undefined : view.get<StorageClass>(refs.storageClasses, '', classOf(claim))

/** Whether the volume is reserved for this claim: by name, and by uid once it is bound. */
export function isReservedFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { claimRef } = volume.spec ?? {}
  return (
    claimRef?.name === claim.metadata.name &&
    claimRef?.namespace === claim.metadata.namespace &&
    (!claimRef?.uid || claimRef.uid === claim.metadata.uid)
  )
}

const sizeOf = (volume: PersistentVolume) => parseQuantity(volume.spec?.capacity?.['storage'] ?? '0')

/** Whether the volume gives what the claim asks for. */
export function satisfies(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { accessModes = [], resources, selector, volumeMode = 'Filesystem' } = claim.spec ?? {}
  const asked = resources?.requests?.['storage']
  return (
    !volume.metadata.deletionTimestamp &&
    (volume.spec?.volumeMode ?? 'Filesystem') === volumeMode &&
    accessModes.every((mode) => volume.spec?.accessModes?.includes(mode)) &&
    (asked === undefined || compareQuantity(sizeOf(volume), parseQuantity(asked)) >= 0) &&
    (!selector || matchesLabelSelector(selector, volume.metadata.labels ?? {}))
  )
}

/** The volume that is reserved for the claim, or else the smallest free one of its class that satisfies it. */
export function findVolume(claim: PersistentVolumeClaim, view: View): PersistentVolume | undefined {
  const volumes = view.list<PersistentVolume>(refs.persistentVolumes)
  const reserved = volumes.find((volume) => volume.spec?.claimRef && isReservedFor(volume, claim))
  if (reserved) return satisfies(reserved, claim) ? reserved : undefined
  return volumes
    .filter(
      (volume) =>
        !volume.spec?.claimRef &&
        (volume.status?.phase ?? 'Pending') !== 'Released' &&
        classOf(volume) === classOf(claim) &&
        satisfies(volume, claim),
    )
    .toSorted(
      (a, b) => compareQuantity(sizeOf(a), sizeOf(b)) || (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''),
    )[0]
}
