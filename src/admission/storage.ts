import type { PersistentVolumeClaim, StorageClass } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { compareQuantity, parseQuantity } from '../lib/quantity.ts'
import { newestDefault } from './newest-default.ts'
import { isOn, type AdmissionPlugin } from './plugin.ts'

const betaAnnotation = 'volume.beta.kubernetes.io/storage-class'

/** Gives claims that name no class the default one; a claim that names '' wants none. */
export function defaultStorageClass(classes: Informer<StorageClass>): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    mutates(attributes) {
      if (!isOn(attributes, refs.persistentVolumeClaims, 'CREATE')) return
      const claim = attributes.object as PersistentVolumeClaim
      if (!claim.spec || claim.spec.storageClassName !== undefined) return
      if (claim.metadata.annotations?.[betaAnnotation] !== undefined) return
      const chosen = newestDefault(classes.list(), [
        'storageclass.kubernetes.io/is-default-class',
        'storageclass.beta.kubernetes.io/is-default-class',
      ])
      if (chosen) claim.spec.storageClassName = chosen.metadata.name
    },
  }
}

/** Claims and volumes in use go last: the protection controllers take these finalizers off. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  mutates(attributes) {
    const finalizer = isOn(attributes, refs.persistentVolumeClaims, 'CREATE')
      ? 'kubernetes.io/pvc-protection'
      : isOn(attributes, refs.persistentVolumes, 'CREATE')
        ? 'kubernetes.io/pv-protection'
        : undefined
    const metadata = attributes.object?.metadata
    if (!finalizer || !metadata || metadata.finalizers?.includes(finalizer)) return
    metadata.finalizers = [...(metadata.finalizers ?? []), finalizer]
  },
}

/** Only bound claims of a class that allows it may grow. */
export function persistentVolumeClaimResize(classes: Informer<StorageClass>): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    validates(attributes) {
      if (!isOn(attributes, refs.persistentVolumeClaims, 'UPDATE')) return
      const claim = attributes.object as PersistentVolumeClaim
      const old = attributes.oldObject as PersistentVolumeClaim
      const size = claim.spec?.resources?.requests?.['storage']
      const oldSize = old.spec?.resources?.requests?.['storage']
      if (size === undefined || oldSize === undefined) return
      if (compareQuantity(parseQuantity(size), parseQuantity(oldSize)) <= 0) return
      if (old.status?.phase !== 'Bound') {
        throw errors.forbidden(attributes.ref, attributes.name, 'Only bound persistent volume claims can be expanded')
      }
      const className = claim.spec?.storageClassName ?? claim.metadata.annotations?.[betaAnnotation] ?? ''
      if (classes.get('', className)?.allowVolumeExpansion) return
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      )
    },
  }
}
