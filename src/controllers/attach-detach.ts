import { createHash } from 'node:crypto'
import type { CSIDriver, Node, PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import {
  type Action,
  type Controller,
  type Index,
  keyOf,
  nothing,
  referenceTo,
  splitKey,
  type View,
} from './controller.ts'
import { isFinished } from './reconcile/pod-state.ts'
import { deleteAction, eventAction, mutateAction, selfWatch } from './reconcile/workload.ts'
import { byClaim, claimsOf } from './reconcile/volume/protection.ts'

/** A node that is known to be off: its volumes may go to others at once (KEP-2268). */
const outOfService = 'node.kubernetes.io/out-of-service'

const byVolume: Index = {
  name: 'attached-volume',
  valuesOf: (attachment) => {
    const { persistentVolumeName } = (attachment as VolumeAttachment).spec.source
    return persistentVolumeName === undefined ? [] : [persistentVolumeName]
  },
}

/** Nodes by the volumes that their status calls attached. */
const byAttached: Index = {
  name: 'volumes-attached',
  valuesOf: (node) => (node as Node).status?.volumesAttached?.map(({ name }) => name) ?? [],
}

/** Claims by the volume that they are bound to. */
const byBoundVolume: Index = {
  name: 'bound-volume',
  valuesOf: (claim) => {
    const { volumeName } = (claim as PersistentVolumeClaim).spec ?? {}
    return volumeName ? [volumeName] : []
  },
}

/** Volumes of the claims that a pod names. */
const volumesOf = (pod: Pod, view: View): string[] =>
  claimsOf(pod).flatMap((name) => {
    const claim = view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, pod.metadata.namespace ?? '', name)
    return claim?.spec?.volumeName ? [`/${claim.spec.volumeName}`] : []
  })

/** The name under which the node that mounts the volume looks for its attachment (upstream pkg/volume/csi). */
const attachmentName = (handle: string, driver: string, node: string): string =>
  `csi-${createHash('sha256').update(`${handle}${driver}${node}`).digest('hex')}`

/**
 * Asks drivers to attach volumes to the nodes of their pods, and to detach them once no pod there uses them and the node
 * says so too (upstream pkg/controller/volume/attachdetach). The drivers' own attachers answer in the status.
 *
 * Left alone: attachments that somebody else has made, and drivers that need none (`attachRequired: false`).
 */
export const attachDetachController: Controller = {
  name: 'attach-detach',
  watches: [
    selfWatch(refs.persistentVolumes),
    {
      ref: refs.pods,
      keysOf: ({ object, previous }, view) =>
        [object, previous].flatMap((pod) => (pod === undefined ? [] : volumesOf(pod as Pod, view))),
    },
    {
      ref: refs.persistentVolumeClaims,
      keysOf: ({ object }) => {
        const volume = (object as PersistentVolumeClaim | undefined)?.spec?.volumeName
        return volume ? [`/${volume}`] : []
      },
    },
    {
      ref: refs.volumeAttachments,
      keysOf: ({ object, previous }) =>
        [object ?? previous].flatMap((one) => {
          const name = (one as VolumeAttachment | undefined)?.spec.source.persistentVolumeName
          return name === undefined ? [] : [`/${name}`]
        }),
    },
    {
      ref: refs.nodes,
      // What a node has stopped to use can be detached.
      keysOf({ object, previous, name }, view) {
        const [before, after] = [previous, object].map((node) => JSON.stringify((node as Node)?.status?.volumesInUse))
        if (before === after && object !== undefined) return []
        const all = view.list<VolumeAttachment>(refs.volumeAttachments).filter(({ spec }) => spec.nodeName === name)
        return all.flatMap(({ spec }) =>
          spec.source.persistentVolumeName ? [`/${spec.source.persistentVolumeName}`] : [],
        )
      },
    },
  ],
  keys(view) {
    const volumes = view.list<PersistentVolume>(refs.persistentVolumes).filter(({ spec }) => spec?.csi)
    const attached = view.list<VolumeAttachment>(refs.volumeAttachments).map(({ spec }) => spec.source)
    return [
      ...new Set([
        ...volumes.map(keyOf),
        ...attached.flatMap(({ persistentVolumeName }) => (persistentVolumeName ? [`/${persistentVolumeName}`] : [])),
      ]),
    ]
  },

  plan(key, view) {
    const { name } = splitKey(key)
    const volume = view.get<PersistentVolume>(refs.persistentVolumes, '', name)
    if (volume === undefined) return { actions: detachVanished(name, view) }
    const csi = volume.spec?.csi
    if (csi === undefined) return nothing
    if (view.get<CSIDriver>(refs.csiDrivers, '', csi.driver)?.spec.attachRequired === false) return nothing
    const uniqueName = uniqueNameOf(csi)
    const users = usersOf(volume, view)
    const attachments = view
      .indexed<VolumeAttachment>(refs.volumeAttachments, byVolume, volume.metadata.name ?? '')
      .filter(({ metadata, spec }) => metadata.name === attachmentName(csi.volumeHandle, csi.driver, spec.nodeName))
    const detached = attachments
      .filter(({ metadata, spec }) => !users.has(spec.nodeName) && !metadata.deletionTimestamp)
      .filter(({ spec }) => mayDetach(spec.nodeName, uniqueName, view))
      .map(deletion)
    const attached = [...users].flatMap(([node, pods]) => attach(volume, node, pods, attachments, view))
    const gone = view
      .indexed<Node>(refs.nodes, byAttached, uniqueName)
      .filter(
        ({ metadata }) => !attachments.some(({ spec, status }) => status?.attached && spec.nodeName === metadata.name),
      )
      .map((node) => tell(node, uniqueName, false))
    return { actions: [...detached, ...attached, ...gone] }
  },
}

/** Pods that use the volume, by node. */
function usersOf(volume: PersistentVolume, view: View): Map<string, Pod[]> {
  const users = new Map<string, Pod[]>()
  const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {}
  const claim = view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, namespace, name)
  if (claim === undefined || (uid !== undefined && claim.metadata.uid !== uid)) return users
  for (const pod of view.indexed<Pod>(refs.pods, byClaim, `${namespace}/${name}`)) {
    const node = pod.spec?.nodeName
    if (!node || isFinished(pod)) continue
    users.set(node, [...(users.get(node) ?? []), pod])
  }
  return users
}

/** A volume may go together with the last that used it. One whose claim is in use has only not come yet. */
function detachVanished(volumeName: string, view: View): Action[] {
  const ours = /^csi-[0-9a-f]{64}$/
  const attachments = view
    .indexed<VolumeAttachment>(refs.volumeAttachments, byVolume, volumeName)
    .filter(({ metadata }) => ours.test(metadata.name ?? '') && !metadata.deletionTimestamp)
  if (attachments.length === 0) return tellVanished(view)
  const isInUse = view
    .indexed<PersistentVolumeClaim>(refs.persistentVolumeClaims, byBoundVolume, volumeName)
    .some((claim) => view.indexed<Pod>(refs.pods, byClaim, keyOf(claim)).some((pod) => !isFinished(pod)))
  if (isInUse) return []
  return attachments
    .filter(({ metadata, spec }) => {
      const node = view.get<Node>(refs.nodes, '', spec.nodeName)
      // What the volume was called is known by the node alone.
      return !(node?.status?.volumesInUse ?? []).some((unique) => attachmentOf(unique, spec.nodeName) === metadata.name)
    })
    .map(deletion)
}

/** Takes from nodes what nothing attaches to them any more: of a volume that is gone its name there is not known. */
const tellVanished = (view: View): Action[] =>
  view.list<Node>(refs.nodes).flatMap((node) =>
    (node.status?.volumesAttached ?? [])
      .filter(({ name }) => name.startsWith(csiPrefix))
      .filter(({ name }) => {
        const attachment = attachmentOf(name, node.metadata.name ?? '')
        return view.get<VolumeAttachment>(refs.volumeAttachments, '', attachment) === undefined
      })
      .map(({ name }) => tell(node, name, false)),
  )

/** Never under the feet of a node that still has it mounted, unless that node is gone for certain. */
function mayDetach(nodeName: string, uniqueName: string, view: View): boolean {
  const node = view.get<Node>(refs.nodes, '', nodeName)
  if (node === undefined || node.spec?.taints?.some(({ key }) => key === outOfService)) return true
  return !(node.status?.volumesInUse ?? []).includes(uniqueName)
}

function attach(
  volume: PersistentVolume,
  node: string,
  pods: readonly Pod[],
  attachments: readonly VolumeAttachment[],
  view: View,
): Action[] {
  const { csi, accessModes = [] } = volume.spec ?? {}
  if (csi === undefined) return []
  const name = volume.metadata.name ?? ''
  const say = (type: 'Normal' | 'Warning', reason: string, message: string): Action[] =>
    pods.map((pod) => eventAction(referenceTo(pod), type, reason, message))
  const mine = attachments.find(({ spec }) => spec.nodeName === node)
  if (mine?.status?.attached) {
    const object = view.get<Node>(refs.nodes, '', node)
    if (object === undefined || tellsOf(object, uniqueNameOf(csi))) return []
    // Told once: with the node's own word for it.
    const told = say('Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume "${name}" `)
    return [tell(object, uniqueNameOf(csi), true), ...told]
  }
  if (mine !== undefined) {
    const error = mine.status?.attachError?.message
    if (error === undefined) return []
    return say('Warning', 'FailedAttachVolume', `AttachVolume.Attach failed for volume "${name}" : ${error}`)
  }
  const isShared = accessModes.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany')
  if (!isShared && attachments.length > 0) {
    const why = "Volume is already exclusively attached to one node and can't be attached to another"
    return say('Warning', 'FailedAttachVolume', `Multi-Attach error for volume "${name}" ${why}`)
  }
  const attachment: VolumeAttachment = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: attachmentName(csi.volumeHandle, csi.driver, node) },
    spec: { attacher: csi.driver, nodeName: node, source: { persistentVolumeName: name } },
  }
  return [{ do: 'create', ref: refs.volumeAttachments, object: attachment }]
}

const csiPrefix = 'kubernetes.io/csi/'

const uniqueNameOf = ({ driver, volumeHandle }: { driver: string; volumeHandle: string }): string =>
  `${csiPrefix}${driver}^${volumeHandle}`

/** Name of the attachment of a volume by its unique name. */
function attachmentOf(uniqueName: string, node: string): string {
  const [driver = '', handle = ''] = uniqueName.replace(csiPrefix, '').split('^')
  return attachmentName(handle, driver, node)
}

const tellsOf = ({ status }: Node, uniqueName: string): boolean =>
  status?.volumesAttached?.some(({ name }) => name === uniqueName) === true

/** Adds a volume to those that the node's status calls attached, or takes it from them. */
function tell(node: Node, uniqueName: string, isAttached: boolean): Action {
  const change = (current: Node): Node => {
    const others = (current.status?.volumesAttached ?? []).filter(({ name }) => name !== uniqueName)
    const volumesAttached = isAttached ? [...others, { name: uniqueName, devicePath: '' }] : others
    return { ...current, status: { ...current.status, volumesAttached } }
  }
  return mutateAction(refs.nodes, node, change, 'status')
}

const deletion = (attachment: VolumeAttachment): Action => deleteAction(refs.volumeAttachments, attachment)
