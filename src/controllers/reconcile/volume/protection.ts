import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { type Controller, type Index, keyOf, nothing, splitKey } from '../../controller.ts'
import { isFinished } from '../pod-state.ts'
import { mutateAction, selfWatch } from '../workload.ts'

const claimFinalizer = 'kubernetes.io/pvc-protection'
const volumeFinalizer = 'kubernetes.io/pv-protection'

export const claimsOf = (pod: Pod): string[] =>
  (pod.spec?.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral ? [`${pod.metadata.name}-${volume.name}`] : []
  })

/** Pods by the claims that they name, as `namespace/claim`. */
export const byClaim: Index = {
  name: 'claim',
  valuesOf: (pod) => claimsOf(pod as Pod).map((name) => `${pod.metadata.namespace}/${name}`),
}

/** Lets a deleted claim go once no pod that runs or will run uses it (Storage Object in Use Protection). */
export const claimProtectionController: Controller = {
  name: 'pvc-protection',
  watches: [
    selfWatch(refs.persistentVolumeClaims),
    {
      ref: refs.pods,
      keysOf({ object, previous, namespace }, view) {
        if (object && !isFinished(object as Pod)) return []
        return claimsOf((object ?? previous) as Pod)
          .filter((name) => view.get(refs.persistentVolumeClaims, namespace, name)?.metadata.deletionTimestamp)
          .map((name) => `${namespace}/${name}`)
      },
    },
  ],
  keys: (view) => view.list<PersistentVolumeClaim>(refs.persistentVolumeClaims).map(keyOf),
  plan(key, view) {
    const { namespace, name } = splitKey(key)
    const claim = view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, namespace, name)
    if (!claim?.metadata.deletionTimestamp || !claim.metadata.finalizers?.includes(claimFinalizer)) return nothing
    const users = view.indexed<Pod>(refs.pods, byClaim, key).filter((pod) => !isFinished(pod))
    return users.length > 0 ? nothing : { actions: [dropFinalizer(refs.persistentVolumeClaims, claim, claimFinalizer)] }
  },
}

/** Lets a deleted volume go once no claim is bound to it. */
export const volumeProtectionController: Controller = {
  name: 'pv-protection',
  watches: [selfWatch(refs.persistentVolumes)],
  keys: (view) => view.list<PersistentVolume>(refs.persistentVolumes).map(keyOf),
  plan(key, view) {
    const volume = view.get<PersistentVolume>(refs.persistentVolumes, '', splitKey(key).name)
    if (!volume?.metadata.deletionTimestamp || !volume.metadata.finalizers?.includes(volumeFinalizer)) return nothing
    if (volume.status?.phase === 'Bound') return nothing
    return { actions: [dropFinalizer(refs.persistentVolumes, volume, volumeFinalizer)] }
  },
}

const dropFinalizer = (
  ref: (typeof refs)['persistentVolumes' | 'persistentVolumeClaims'],
  object: PersistentVolume | PersistentVolumeClaim,
  finalizer: string,
) =>
  mutateAction(ref, object, (current) => {
    current.metadata.finalizers = current.metadata.finalizers?.filter((one) => one !== finalizer)
    return current
  })
