import type { Namespace, Node } from '../../api/kinds.ts'
import type { PodInfo } from './pod-info.ts'

/** A change of the cluster that may let a pod be placed that no node took before. */
export type ClusterEvent =
  | { readonly kind: 'node-added'; readonly node: Node }
  | { readonly kind: 'node-updated'; readonly node: Node; readonly previous: Node; readonly changed: NodeChange }
  | { readonly kind: 'pod-placed'; readonly pod: PodInfo }
  | { readonly kind: 'pod-updated'; readonly pod: PodInfo; readonly previous: PodInfo }
  | { readonly kind: 'pod-removed'; readonly pod: PodInfo }
  | { readonly kind: 'namespace-changed'; readonly namespace: Namespace }
  | { readonly kind: 'storage-changed' }

/** What of a node changed that scheduling looks at. */
export interface NodeChange {
  readonly labels: boolean
  readonly taints: boolean
  readonly allocatable: boolean
}

export function nodeChangeOf(previous: Node, node: Node): NodeChange {
  const differs = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b)
  return {
    labels: differs(previous.metadata.labels, node.metadata.labels),
    taints:
      differs(previous.spec?.taints, node.spec?.taints) || previous.spec?.unschedulable !== node.spec?.unschedulable,
    allocatable: differs(previous.status?.allocatable, node.status?.allocatable),
  }
}
