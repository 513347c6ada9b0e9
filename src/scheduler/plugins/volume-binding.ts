import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/kinds.ts'
import { quantityValue } from '../../lib/quantity.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import {
  type FilterPlugin,
  labelsOf,
  refuse,
  type Refusal,
  type Snapshot,
  type VolumeLister,
} from '../framework/framework.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import { matchesNodeSelector } from '../../api/node-selector.ts'

const selectedNode = 'volume.kubernetes.io/selected-node'
const noProvisioner = 'kubernetes.io/no-provisioner'

const nodeConflict = refuse("node(s) didn't match PersistentVolume's node affinity", true)
const bindConflict = refuse("node(s) didn't find available persistent volumes to bind", true)
const noRoom = refuse('node(s) did not have enough free storage', true)
const volumeMissing = refuse('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)', true)
const unboundImmediate = refuse('pod has unbound immediate PersistentVolumeClaims', true)

interface State {
  readonly bound: readonly PersistentVolumeClaim[]
  /** Claims of classes that wait for their first consumer. */
  readonly waiting: readonly PersistentVolumeClaim[]
  readonly volumes: VolumeLister
}

/** What has to be written before the pod may be bound to the node. */
export interface VolumeDecision {
  /** Volumes that exist, to be given to claims. */
  readonly bindings: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[]
  /** Claims whose volume is to be made on the node. */
  readonly provisions: readonly PersistentVolumeClaim[]
}

export const claimName = ({ metadata }: PersistentVolumeClaim): string => `${metadata.namespace}/${metadata.name}`

/** A claim that has its volume for good. */
export const isBound = ({ spec, status }: PersistentVolumeClaim): boolean =>
  Boolean(spec?.volumeName) && status?.phase === 'Bound'

function sortClaims(info: PodInfo, volumes: VolumeLister): State | Refusal {
  const bound: PersistentVolumeClaim[] = []
  const waiting: PersistentVolumeClaim[] = []
  for (const name of info.claims) {
    const claim = volumes.claim(info.namespace, name)
    const trouble = claim ? claimTrouble(info.pod, claim) : missingText(info.pod, name)
    if (!claim || trouble) return refuse(trouble ?? '', true)
    if (isBound(claim)) bound.push(claim)
    else if (waitsForConsumer(claim, volumes)) waiting.push(claim)
    else return unboundImmediate
  }
  return { bound, waiting, volumes }
}

const isEphemeral = (pod: Pod, name: string): boolean =>
  (pod.spec?.volumes ?? []).some((volume) => volume.ephemeral && `${pod.metadata.name}-${volume.name}` === name)

const missingText = (pod: Pod, name: string): string =>
  isEphemeral(pod, name)
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
    : `persistentvolumeclaim "${name}" not found`

function claimTrouble(pod: Pod, claim: PersistentVolumeClaim): string | undefined {
  const { name, namespace, ownerReferences, deletionTimestamp } = claim.metadata
  if (deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`
  if (claim.status?.phase === 'Lost')
    return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ''}"`
  if (
    isEphemeral(pod, name ?? '') &&
    !ownerReferences?.some((owner) => owner.controller && owner.uid === pod.metadata.uid)
  )
    return `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`
  return undefined
}

const classOf = (claim: PersistentVolumeClaim, volumes: VolumeLister): StorageClass | undefined =>
  claim.spec?.storageClassName ? volumes.storageClass(claim.spec.storageClassName) : undefined

const waitsForConsumer = (claim: PersistentVolumeClaim, volumes: VolumeLister): boolean =>
  !claim.spec?.volumeName && classOf(claim, volumes)?.volumeBindingMode === 'WaitForFirstConsumer'

/** Holds a pod to the nodes that its volumes can be reached from, or can be made on. */
export const volumeBinding: FilterPlugin<State> = {
  name: 'VolumeBinding',
  prepare(pod, snapshot) {
    if (pod.claims.length === 0) return 'skip'
    const state = sortClaims(pod, snapshot.volumes)
    return 'reasons' in state ? { refusal: state } : { state }
  },
  filter(_pod, { node }, { bound, waiting, volumes }) {
    const conflict = boundConflict(bound, node, volumes)
    if (conflict) return conflict
    const decision = decide(waiting, node, volumes)
    return 'reasons' in decision ? decision : undefined
  },
  mayHelp: (_pod, event) =>
    event.kind === 'storage-changed' ||
    event.kind === 'node-added' ||
    (event.kind === 'node-updated' && event.changed.labels),
}

function boundConflict(
  claims: readonly PersistentVolumeClaim[],
  node: Node,
  volumes: VolumeLister,
): Refusal | undefined {
  for (const { spec } of claims) {
    const volume = volumes.volume(spec?.volumeName ?? '')
    if (!volume) return volumeMissing
    if (!reaches(volume, node)) return nodeConflict
  }
  return undefined
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec?.nodeAffinity?.required
  return !required || matchesNodeSelector(node, required)
}

/** Chooses volumes on the node for claims that wait: the smallest that will do, or a new one where one can be made. */
function decide(claims: readonly PersistentVolumeClaim[], node: Node, volumes: VolumeLister): VolumeDecision | Refusal {
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = []
  const provisions: PersistentVolumeClaim[] = []
  const taken = new Set<string>()
  for (const claim of claims) {
    const selected = claim.metadata.annotations?.[selectedNode]
    // Being made for another node already.
    if (selected && selected !== node.metadata.name) return bindConflict
    const volume = selected ? undefined : smallestVolume(claim, node, volumes, taken)
    if (volume) {
      taken.add(volume.metadata.name ?? '')
      bindings.push({ claim, volume })
    } else if (!canProvision(classOf(claim, volumes), node)) return bindConflict
    else if (!hasRoom(claim, node, volumes)) return noRoom
    else provisions.push(claim)
  }
  return { bindings, provisions }
}

function smallestVolume(
  claim: PersistentVolumeClaim,
  node: Node,
  volumes: VolumeLister,
  taken: ReadonlySet<string>,
): PersistentVolume | undefined {
  const { storageClassName = '', resources, accessModes = [], volumeMode = 'Filesystem', selector } = claim.spec ?? {}
  const wantedBytes = quantityValue(resources?.requests?.storage ?? '0')
  let best: { volume: PersistentVolume; bytes: number } | undefined
  for (const volume of volumes.volumesOfClass(storageClassName)) {
    const { spec, metadata } = volume
    const name = metadata.name ?? ''
    const promised = volumes.promisedTo(name)
    if (metadata.deletionTimestamp || taken.has(name) || (promised && promised !== claimName(claim))) continue
    const { claimRef } = spec ?? {}
    const isOurs = claimRef?.namespace === claim.metadata.namespace && claimRef?.name === claim.metadata.name
    if (claimRef && !(isOurs && (!claimRef.uid || claimRef.uid === claim.metadata.uid))) continue
    const bytes = quantityValue(spec?.capacity?.storage ?? '0')
    if (bytes < wantedBytes || (spec?.volumeMode ?? 'Filesystem') !== volumeMode) continue
    if (!accessModes.every((mode) => spec?.accessModes?.includes(mode))) continue
    if (selector && !matchesLabelSelector(selector, metadata.labels)) continue
    if (!reaches(volume, node)) continue
    if (isOurs) return volume
    if (!best || bytes < best.bytes) best = { volume, bytes }
  }
  return best?.volume
}

function canProvision(storageClass: StorageClass | undefined, node: Node): boolean {
  if (!storageClass?.provisioner || storageClass.provisioner === noProvisioner) return false
  const topologies = storageClass.allowedTopologies ?? []
  const labels = labelsOf(node)
  return (
    topologies.length === 0 ||
    topologies.some((term) =>
      (term.matchLabelExpressions ?? []).every(({ key, values }) => values.includes(labels[key] ?? '')),
    )
  )
}

/**
 * Whether the driver says that it has room for the claim's volume where the node can reach it (KEP-1472). A driver that
 * does not tell is asked by trying.
 */
function hasRoom(claim: PersistentVolumeClaim, node: Node, volumes: VolumeLister): boolean {
  const storageClass = classOf(claim, volumes)
  if (!volumes.csiDriver(storageClass?.provisioner ?? '')?.spec.storageCapacity) return true
  const wantedBytes = quantityValue(claim.spec?.resources?.requests?.['storage'] ?? '0')
  return volumes.storageCapacities(storageClass?.metadata.name ?? '').some((one) => {
    const limit = one.maximumVolumeSize ?? one.capacity
    return (
      limit !== undefined &&
      quantityValue(limit) >= wantedBytes &&
      one.nodeTopology !== undefined &&
      matchesLabelSelector(one.nodeTopology, labelsOf(node))
    )
  })
}

/** What the pod's claims need on the node that was chosen; undefined when they need nothing. */
export function volumeDecision(pod: PodInfo, node: Node, snapshot: Snapshot): VolumeDecision | undefined {
  if (pod.claims.length === 0) return undefined
  const state = sortClaims(pod, snapshot.volumes)
  if ('reasons' in state || state.waiting.length === 0) return undefined
  const decision = decide(state.waiting, node, snapshot.volumes)
  return 'reasons' in decision ? undefined : decision
}

/** The claim as it is written to have its volume made on the node. */
export function withSelectedNode(claim: PersistentVolumeClaim, nodeName: string): PersistentVolumeClaim | undefined {
  if (claim.spec?.volumeName || claim.metadata.annotations?.[selectedNode] === nodeName) return undefined
  const annotations = { ...claim.metadata.annotations, [selectedNode]: nodeName }
  return { ...claim, metadata: { ...claim.metadata, annotations } }
}

/** The volume as it is written to be the claim's; undefined when another claim has it. */
export function withClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume | undefined {
  const { claimRef } = volume.spec ?? {}
  if (claimRef?.uid) return undefined
  const { namespace, name, uid } = claim.metadata
  const annotations = { ...volume.metadata.annotations, 'pv.kubernetes.io/bound-by-controller': 'yes' }
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: { ...volume.spec, claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid } },
  }
}
