import type { PersistentVolume, Volume } from '../../api/kinds.ts'
import { type FilterPlugin, labelsOf, refuse, type Snapshot } from '../framework/framework.ts'
import type { PodInfo } from '../framework/pod-info.ts'

function boundVolumes(pod: PodInfo, snapshot: Snapshot): PersistentVolume[] {
  return pod.claims.flatMap((name) => {
    const volumeName = snapshot.volumes.claim(pod.namespace, name)?.spec?.volumeName
    return (volumeName && snapshot.volumes.volume(volumeName)) || []
  })
}

const zoneKeys = [
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
]

const wrongZone = refuse('node(s) had no available volume zone', true)

/** Holds a pod to the zones that its volumes are labelled with; several zones of a volume are joined by `__`. */
export const volumeZone: FilterPlugin<readonly (readonly [key: string, values: readonly string[]])[]> = {
  name: 'VolumeZone',
  prepare(pod, snapshot) {
    const wanted = boundVolumes(pod, snapshot).flatMap(({ metadata }) =>
      zoneKeys.flatMap((key) => {
        const value = metadata.labels?.[key]
        return value === undefined ? [] : [[key, value.split('__')] as const]
      }),
    )
    return wanted.length === 0 ? 'skip' : { state: wanted }
  },
  filter(_pod, { node }, wanted) {
    const labels = labelsOf(node)
    // A node outside of any zone reaches everything.
    if (!zoneKeys.some((key) => labels[key] !== undefined)) return undefined
    return wanted.every(([key, values]) => values.includes(labels[key] ?? '')) ? undefined : wrongZone
  },
  mayHelp: (_pod, event) =>
    event.kind === 'storage-changed' ||
    event.kind === 'node-added' ||
    (event.kind === 'node-updated' && event.changed.labels),
}

interface Handles {
  /** Volume handles by driver. */
  readonly wanted: ReadonlyMap<string, ReadonlySet<string>>
  readonly snapshot: Snapshot
}

/** What a pod attaches, by CSI driver: bound volumes by handle, claims that will be provisioned by their name. */
function handlesOf(pod: PodInfo, snapshot: Snapshot): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>()
  const note = (driver: string, handle: string): void => {
    result.set(driver, (result.get(driver) ?? new Set()).add(handle))
  }
  for (const name of pod.claims) {
    const claim = snapshot.volumes.claim(pod.namespace, name)
    if (!claim) continue
    const volume = claim.spec?.volumeName ? snapshot.volumes.volume(claim.spec.volumeName) : undefined
    const { csi } = volume?.spec ?? {}
    const provisioner = snapshot.volumes.storageClass(claim.spec?.storageClassName ?? '')?.provisioner
    if (csi) note(csi.driver, csi.volumeHandle)
    else if (!volume && provisioner) note(provisioner, `${pod.namespace}/${name}`)
  }
  return result
}

const tooMany = refuse('node(s) exceed max volume count')

/** Refuses nodes that would attach more volumes of a CSI driver than its CSINode allows. */
export const nodeVolumeLimits: FilterPlugin<Handles> = {
  name: 'NodeVolumeLimits',
  prepare(pod, snapshot) {
    if (pod.claims.length === 0) return 'skip'
    const wanted = handlesOf(pod, snapshot)
    return wanted.size === 0 ? 'skip' : { state: { wanted, snapshot } }
  },
  filter(_pod, node, { wanted, snapshot }) {
    const limits = (snapshot.volumes.csiNode(node.name)?.spec.drivers ?? []).filter(
      ({ name, allocatable }) => allocatable?.count !== undefined && wanted.has(name),
    )
    if (limits.length === 0) return undefined
    const used = new Map<string, Set<string>>()
    for (const other of node.pods.values())
      if (other.claims.length > 0)
        for (const [driver, handles] of handlesOf(other, snapshot))
          used.set(driver, (used.get(driver) ?? new Set<string>()).union(handles))
    for (const { name, allocatable } of limits)
      if ((used.get(name) ?? new Set<string>()).union(wanted.get(name)!).size > (allocatable?.count ?? 0))
        return tooMany
    return undefined
  },
  mayHelp: (_pod, event) =>
    event.kind === 'storage-changed' ||
    event.kind === 'node-added' ||
    (event.kind === 'pod-removed' && event.pod.claims.length > 0),
}

const claimInUse = refuse(
  'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
)
const diskInUse = refuse('node(s) had no available disk')

interface Restrictions {
  readonly disks: readonly Volume[]
  /** Claims that only one pod may use, by `namespace/name`. */
  readonly exclusive: ReadonlySet<string>
  /** How many other pods use them now. */
  users: number
}

const isDisk = (volume: Volume): boolean =>
  Boolean(volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.iscsi ?? volume.rbd)

/** Whether two pods on one node may not both mount these. */
function conflicts(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk)
    return (
      a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName &&
      !(a.gcePersistentDisk.readOnly && b.gcePersistentDisk.readOnly)
    )
  if (a.awsElasticBlockStore && b.awsElasticBlockStore)
    return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID
  if (a.iscsi && b.iscsi) return a.iscsi.iqn === b.iscsi.iqn && !(a.iscsi.readOnly && b.iscsi.readOnly)
  if (a.rbd && b.rbd)
    return (
      a.rbd.monitors.some((one) => b.rbd!.monitors.includes(one)) &&
      (a.rbd.pool ?? 'rbd') === (b.rbd.pool ?? 'rbd') &&
      a.rbd.image === b.rbd.image &&
      !(a.rbd.readOnly && b.rbd.readOnly)
    )
  return false
}

/** Refuses nodes where a disk that is not to be shared is mounted, and claims with ReadWriteOncePod that are in use. */
export const volumeRestrictions: FilterPlugin<Restrictions> = {
  name: 'VolumeRestrictions',
  prepare(pod, snapshot) {
    const disks = (pod.pod.spec?.volumes ?? []).filter(isDisk)
    const exclusive = pod.claims
      .filter((name) => snapshot.volumes.claim(pod.namespace, name)?.spec?.accessModes?.includes('ReadWriteOncePod'))
      .map((name) => `${pod.namespace}/${name}`)
    if (disks.length === 0 && exclusive.length === 0) return 'skip'
    const users = exclusive.reduce((sum, claim) => sum + snapshot.claimUsers(claim), 0)
    return { state: { disks, exclusive: new Set(exclusive), users } }
  },
  filter(_pod, node, { disks, users }) {
    if (disks.length > 0)
      for (const other of node.pods.values())
        for (const mounted of other.pod.spec?.volumes ?? [])
          if (disks.some((disk) => conflicts(disk, mounted))) return diskInUse
    return users > 0 ? claimInUse : undefined
  },
  shift(state, _pod, other, _node, sign) {
    for (const claim of other.claims) if (state.exclusive.has(`${other.namespace}/${claim}`)) state.users += sign
  },
  mayHelp: (_pod, event) =>
    event.kind === 'storage-changed' || event.kind === 'node-added' || event.kind === 'pod-removed',
}
