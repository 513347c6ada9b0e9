import type { Namespace, Node, Pod } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { Change, Informers } from '../client/informer.ts'
import type { Cluster } from './framework/cluster.ts'
import { type ClusterEvent, nodeChangeOf } from './framework/cluster-event.ts'
import { podInfoOf, weighsTheSame } from './framework/pod-info.ts'
import { isDone } from './pod-status.ts'
import { csiDrivers, csiNodes, csiStorageCapacities } from './surroundings.ts'

export interface ClusterWatcher {
  /** A pod changed; undefined once it is gone. Called before the event that follows from it. */
  onPod(pod: Pod, isGone: boolean): void
  /** Something happened that may let a pod be placed. */
  onEvent(event: ClusterEvent): void
  /** Whether the pod is on its way to a node that is not written down yet. */
  isAssumed(uid: string): boolean
}

/** Changes of these may let a pod have its volumes. */
const storageResources = [
  refs.persistentVolumes,
  refs.persistentVolumeClaims,
  refs.storageClasses,
  csiNodes,
  csiDrivers,
  csiStorageCapacities,
]

/** Feeds a cluster from informers, and tells what that means for pods that wait. Returns the way to stop. */
export function watchCluster(informers: Informers, cluster: Cluster, watcher: ClusterWatcher): () => void {
  const onNode = ({ object, previous, name }: Change<Node>): void => {
    if (!object) return cluster.removeNode(name)
    cluster.setNode(object)
    if (!previous) return watcher.onEvent({ kind: 'node-added', node: object })
    const changed = nodeChangeOf(previous, object)
    if (changed.labels || changed.taints || changed.allocatable)
      watcher.onEvent({ kind: 'node-updated', node: object, previous, changed })
  }

  const onPod = ({ object, previous }: Change<Pod>): void => {
    const pod = object ?? previous
    if (!pod) return
    const uid = pod.metadata.uid ?? ''
    // A new pod of the same name: the old one's end was not seen by itself.
    if (object && previous && previous.metadata.uid !== uid)
      onPod({ object: undefined, previous, namespace: '', name: '' })
    watcher.onPod(pod, object === undefined)
    const nodeName = object && !isDone(object) ? object.spec?.nodeName : undefined
    if (object && nodeName) {
      const before = cluster.nodeOf(uid)
      const isSeen = before !== undefined && previous?.metadata.uid === uid && Boolean(previous.spec?.nodeName)
      cluster.place(object, nodeName)
      cluster.forgetNomination(uid)
      const info = podInfoOf(object)
      if (!isSeen) return watcher.onEvent({ kind: 'pod-placed', pod: info })
      const old = podInfoOf(previous)
      if (!weighsTheSame(old, info)) watcher.onEvent({ kind: 'pod-updated', pod: info, previous: old })
      return
    }
    const isPending = object !== undefined && !isDone(object)
    if (isPending && watcher.isAssumed(uid)) return
    const hadNode = cluster.nodeOf(uid) !== undefined
    cluster.remove(uid)
    if (!isPending) {
      const hadNomination = cluster.nominationOf(uid) !== undefined
      cluster.forgetNomination(uid)
      if (hadNode || hadNomination) watcher.onEvent({ kind: 'pod-removed', pod: podInfoOf(pod) })
    }
  }

  const onNamespace = ({ object, previous }: Change<Namespace>): void => {
    if (JSON.stringify(object?.metadata.labels) === JSON.stringify(previous?.metadata.labels)) return
    cluster.namespacesChanged()
    if (object) watcher.onEvent({ kind: 'namespace-changed', namespace: object })
  }
  const onStorage = (): void => watcher.onEvent({ kind: 'storage-changed' })

  const nodes = informers.for<Node>(refs.nodes)
  const pods = informers.for<Pod>(refs.pods)
  const stops = [
    nodes.onChange(onNode),
    pods.onChange(onPod),
    informers.for<Namespace>(refs.namespaces).onChange(onNamespace),
    ...storageResources.map((ref) => informers.for<KubeObject>(ref).onChange(onStorage)),
  ]
  for (const node of nodes.list()) cluster.setNode(node)
  for (const pod of pods.list())
    onPod({ object: pod, previous: undefined, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' })
  return () => {
    for (const stop of stops) stop()
  }
}
