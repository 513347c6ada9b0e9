import type { Node, Pod } from '../../api/kinds.ts'
import { add, defaultCpuMilli, defaultMemoryBytes, podRequests, type Resources, resourcesOf } from './resources.ts'

/** A host port that a pod occupies: `hostIP:protocol:port`, hostIP 0.0.0.0 for all. */
export interface HostPort {
  ip: string
  protocol: string
  port: number
}

/** A node with the pods that are, or are about to be, on it. Kept up to date pod by pod. */
export interface NodeInfo {
  node: Node
  readonly pods: Map<string, Pod>
  readonly requested: Resources
  /** As `requested`, but a pod that asks for nothing counts something, so that such pods spread too. */
  readonly nonZeroRequested: { cpu: number; memory: number }
  allocatable: Resources
  readonly hostPorts: Map<string, HostPort>
}

export function createNodeInfo(node: Node): NodeInfo {
  return {
    node,
    pods: new Map(),
    requested: new Map(),
    nonZeroRequested: { cpu: 0, memory: 0 },
    allocatable: resourcesOf(node.status?.allocatable),
    hostPorts: new Map(),
  }
}

export function setNode(info: NodeInfo, node: Node): void {
  info.node = node
  info.allocatable = resourcesOf(node.status?.allocatable)
}

export function addPod(info: NodeInfo, pod: Pod): void {
  removePod(info, pod.metadata.uid!)
  info.pods.set(pod.metadata.uid!, pod)
  account(info, pod, 1)
  for (const port of hostPortsOf(pod))
    info.hostPorts.set(`${pod.metadata.uid}/${port.ip}/${port.protocol}/${port.port}`, port)
}

export function removePod(info: NodeInfo, uid: string): void {
  const pod = info.pods.get(uid)
  if (!pod) return
  info.pods.delete(uid)
  account(info, pod, -1)
  for (const port of hostPortsOf(pod)) info.hostPorts.delete(`${uid}/${port.ip}/${port.protocol}/${port.port}`)
}

function account(info: NodeInfo, pod: Pod, sign: 1 | -1): void {
  const requests = podRequests(pod)
  add(info.requested, requests, sign)
  info.nonZeroRequested.cpu += sign * (requests.get('cpu') || defaultCpuMilli)
  info.nonZeroRequested.memory += sign * (requests.get('memory') || defaultMemoryBytes)
}

export function hostPortsOf(pod: Pod): HostPort[] {
  return (pod.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort ? [{ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort }] : [],
    ),
  )
}
