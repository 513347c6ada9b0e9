import type { Pod } from '../../api/kinds.ts'
import type { Informer } from '../../client/informer.ts'

/** Pods by the node that they are bound to, kept up to date from an informer. */
export interface PodsByNode {
  on(nodeName: string): Iterable<Pod>
  stop(): void
}

export function createPodsByNode(pods: Informer<Pod>): PodsByNode {
  const byNode = new Map<string, Map<string, Pod>>()
  const nodeOf = new Map<string, string>()

  function put(id: string, pod: Pod | undefined): void {
    const old = nodeOf.get(id)
    const now = pod?.spec?.nodeName
    if (old !== undefined && old !== now) {
      const siblings = byNode.get(old)
      siblings?.delete(id)
      if (siblings?.size === 0) byNode.delete(old)
      nodeOf.delete(id)
    }
    if (!pod || !now) return
    const siblings = byNode.get(now) ?? new Map<string, Pod>()
    byNode.set(now, siblings.set(id, pod))
    nodeOf.set(id, now)
  }

  const stop = pods.onChange(({ namespace, name, object }) => put(`${namespace}/${name}`, object))
  for (const pod of pods.list()) put(`${pod.metadata.namespace}/${pod.metadata.name}`, pod)
  return { on: (nodeName) => byNode.get(nodeName)?.values() ?? [], stop }
}
