import type { Node } from '../../api/kinds.ts'
import type { HostPort, PodInfo } from './pod-info.ts'
import { add, type Resources, resourcesOf } from './resources.ts'

/** A node with the pods that are, or are about to be, on it. Kept up to date pod by pod. */
export interface NodeInfo {
  readonly name: string
  node: Node
  readonly pods: Map<string, PodInfo>
  readonly requested: Resources
  nonZeroCpu: number
  nonZeroMemory: number
  allocatable: Resources
  /** Host ports in use; a list, for a node has few. */
  hostPorts: readonly HostPort[]
  /** Bytes of each image on the node, by every name it goes by. */
  images: ReadonlyMap<string, number>
  /** Sum of the pressures of its pods, dimension by dimension. */
  readonly pressure: Map<string, number>
}

export function createNodeInfo(node: Node): NodeInfo {
  return {
    name: node.metadata.name ?? '',
    node,
    pods: new Map(),
    requested: new Map(),
    nonZeroCpu: 0,
    nonZeroMemory: 0,
    allocatable: resourcesOf(node.status?.allocatable),
    hostPorts: [],
    images: imagesOf(node),
    pressure: new Map(),
  }
}

/** A copy to try things on, without touching the original. */
export function cloneNodeInfo(info: NodeInfo): NodeInfo {
  return { ...info, pods: new Map(info.pods), requested: new Map(info.requested), pressure: new Map(info.pressure) }
}

export function setNode(info: NodeInfo, node: Node): void {
  info.node = node
  info.allocatable = resourcesOf(node.status?.allocatable)
  info.images = imagesOf(node)
}

export function addPod(info: NodeInfo, pod: PodInfo): void {
  info.pods.set(pod.uid, pod)
  account(info, pod, 1)
  if (pod.hostPorts.length > 0) info.hostPorts = [...info.hostPorts, ...pod.hostPorts]
}

export function removePod(info: NodeInfo, uid: string): void {
  const pod = info.pods.get(uid)
  if (!pod) return
  info.pods.delete(uid)
  account(info, pod, -1)
  if (pod.hostPorts.length > 0) info.hostPorts = [...info.pods.values()].flatMap(({ hostPorts }) => hostPorts)
}

function account(info: NodeInfo, pod: PodInfo, sign: 1 | -1): void {
  add(info.requested, pod.requests, sign)
  info.nonZeroCpu += sign * pod.nonZeroCpu
  info.nonZeroMemory += sign * pod.nonZeroMemory
}

function imagesOf(node: Node): ReadonlyMap<string, number> {
  const result = new Map<string, number>()
  for (const { names, sizeBytes } of node.status?.images ?? [])
    for (const name of names ?? []) result.set(normalizedImage(name), sizeBytes ?? 0)
  return result
}

/** An image's name with the tag that is meant when none is written. */
export function normalizedImage(name: string): string {
  return name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name
}
