import type { Namespace, Node, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Snapshot } from './framework/framework.ts'
import { addPod, createNodeInfo, type NodeInfo, removePod, setNode } from './framework/node-info.ts'

/** The scheduler's picture of the cluster: each change costs what it changes, not the size of the cluster. */
export interface ClusterCache {
  snapshot(): Snapshot
  setNode(node: Node): void
  removeNode(name: string): void
  setPod(pod: Pod): void
  removePod(pod: Pod): void
  /** Counts a pod on a node before its binding is seen, so that the next pod does not get the same room. */
  assume(pod: Pod, nodeName: string): void
  forget(pod: Pod): void
}

export function createClusterCache(informers: Informers): ClusterCache {
  const infos = new Map<string, NodeInfo>()
  const placed = new Map<string, string>()
  /** Pods of nodes that are not there (yet). */
  const homeless = new Map<string, Pod>()
  let nodes: readonly NodeInfo[] | undefined

  const place = (pod: Pod, nodeName: string): void => {
    const uid = pod.metadata.uid!
    unplace(uid)
    const info = infos.get(nodeName)
    if (info) {
      addPod(info, pod)
      placed.set(uid, nodeName)
    } else homeless.set(uid, pod)
  }
  const unplace = (uid: string): void => {
    homeless.delete(uid)
    const nodeName = placed.get(uid)
    if (nodeName === undefined) return
    placed.delete(uid)
    const info = infos.get(nodeName)
    if (info) removePod(info, uid)
  }

  return {
    snapshot: () => ({
      nodes: (nodes ??= [...infos.values()]),
      namespaceLabels: (namespace) =>
        informers.for<Namespace>(refs.namespaces).get('', namespace)?.metadata.labels ?? {},
    }),
    setNode(node) {
      const name = node.metadata.name!
      const info = infos.get(name)
      if (info) return setNode(info, node)
      infos.set(name, createNodeInfo(node))
      nodes = undefined
      for (const pod of [...homeless.values()]) if (pod.spec?.nodeName === name) place(pod, name)
    },
    removeNode(name) {
      const info = infos.get(name)
      if (!info) return
      infos.delete(name)
      nodes = undefined
      for (const pod of info.pods.values()) {
        placed.delete(pod.metadata.uid!)
        homeless.set(pod.metadata.uid!, pod)
      }
    },
    setPod(pod) {
      const isDone = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
      if (pod.spec?.nodeName && !isDone) place(pod, pod.spec.nodeName)
      else if (isDone || !placed.has(pod.metadata.uid!)) unplace(pod.metadata.uid!)
    },
    removePod: (pod) => unplace(pod.metadata.uid!),
    assume: place,
    forget: (pod) => unplace(pod.metadata.uid!),
  }
}
