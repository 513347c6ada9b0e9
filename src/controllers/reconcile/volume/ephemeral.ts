import type { PersistentVolumeClaim, Pod, Volume } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, referenceTo, splitKey, type View } from '../../controller.ts'
import { copyJson } from '../../../lib/copy-json.ts'
import { isFinished } from '../pod-state.ts'
import { eventAction } from '../workload.ts'

const hasEphemeral = (pod: Pod): boolean => (pod.spec?.volumes ?? []).some(({ ephemeral }) => ephemeral)

/**
 * Makes the claims of generic ephemeral volumes (KEP-1698): named `<pod>-<volume>` and owned by their pod, with which
 * the garbage collector takes them away. A claim of that name that is somebody else's is left alone, and said.
 */
export const ephemeralVolumeController: Controller = {
  name: 'ephemeral-volume',
  watches: [
    {
      ref: refs.pods,
      keysOf: ({ object, namespace, name }) => (object && hasEphemeral(object as Pod) ? [`${namespace}/${name}`] : []),
    },
    {
      ref: refs.persistentVolumeClaims,
      // A claim that is gone too early is made again.
      keysOf({ object, previous, namespace }) {
        const owner = previous?.metadata.ownerReferences?.find(({ controller, kind }) => controller && kind === 'Pod')
        return object === undefined && owner !== undefined ? [`${namespace}/${owner.name}`] : []
      },
    },
  ],
  keys: (view) => view.list<Pod>(refs.pods).filter(hasEphemeral).map(keyOf),
  plan(key, view) {
    const { namespace, name } = splitKey(key)
    const pod = view.get<Pod>(refs.pods, namespace, name)
    if (pod === undefined || pod.metadata.deletionTimestamp || isFinished(pod)) return nothing
    return { actions: (pod.spec?.volumes ?? []).flatMap((volume) => missingClaim(pod, volume, view)) }
  },
}

function missingClaim(pod: Pod, volume: Volume, view: View): Action[] {
  const template = volume.ephemeral?.volumeClaimTemplate
  if (template === undefined) return []
  const { namespace = '', name: podName = '', uid = '' } = pod.metadata
  const name = `${podName}-${volume.name}`
  const failed = (why: string): Action =>
    eventAction(referenceTo(pod), 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${why}`)
  const existing = view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, namespace, name)
  if (existing !== undefined) {
    const isOwn = existing.metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid)
    const why = `PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`
    return isOwn ? [] : [failed(why)]
  }
  const { labels, annotations } = template.metadata ?? {}
  const claim: PersistentVolumeClaim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      name,
      namespace,
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: podName, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    spec: copyJson(template.spec),
  }
  return [{ do: 'create', ref: refs.persistentVolumeClaims, object: claim, failed }]
}
