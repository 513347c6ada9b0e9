import type { Node } from '../../api/kinds.ts'
import type { Refusal } from './framework.ts'
import type { HostPort, PodInfo } from './pod-info.ts'
import { add, type Resources, resourcesOf } from './resources.ts'
import type { Verdict } from './verdicts.ts'

/** What was found out about pods of one kind and profile on a node. */
export interface NodeMemo {
  /** What the filters with `isLocal` say; null when they accept. */
  refusal?: Verdict | null
  /** Sum of the scores with `isLocal`, weighed. */
  score?: number
  /** Whom the pod would have to drive out, where nothing but the node counts. */
  victims?: Victims | Refusal
}

export interface Victims {
  /** The most important first. */
  readonly pods: readonly PodInfo[]
  /** How many of them a disruption budget wanted to keep. */
  readonly violations: number
  /** What it costs, the most important first: the lower, the less harm. */
  readonly rank: readonly number[]
}

/** Kinds of pods that are remembered on a node at once. */
const maxMemos = 16

/** Numbers of kinds, so that looking a memo up compares no long texts. Never given twice. */
const kindNumbers = new Map<string, number>()
const maxKinds = 8192
let kindCount = 0

/** The number that nodes know pods of this kind by under a profile. */
export function memoKind(profile: string, { kind }: PodInfo): number {
  const text = `${profile}|${kind}`
  let number = kindNumbers.get(text)
  if (number === undefined) {
    if (kindNumbers.size >= maxKinds) kindNumbers.clear()
    number = kindCount++
    kindNumbers.set(text, number)
  }
  return number
}

/** The memo of a kind, empty at first. */
export function memoOf(info: NodeInfo, kind: number): NodeMemo {
  let memo = info.memo.get(kind)
  if (!memo) {
    if (info.memo.size >= maxMemos) info.memo.clear()
    memo = {}
    info.memo.set(kind, memo)
  }
  return memo
}

/** A node with the pods that are, or are about to be, on it. Kept up to date pod by pod. */
export interface NodeInfo {
  readonly name: string
  node: Node
  readonly pods: Map<string, PodInfo>
  /** What its pods ask for: millicores, bytes, and whatever else there is. */
  requestedCpu: number
  requestedMemory: number
  readonly requestedOthers: Resources
  nonZeroCpu: number
  nonZeroMemory: number
  allocatable: Resources
  allocatableCpu: number
  allocatableMemory: number
  maxPods: number
  /** Host ports in use; a list, for a node has few. */
  hostPorts: readonly HostPort[]
  /** Bytes of each image on the node, by every name it goes by. */
  images: ReadonlyMap<string, number>
  /** Sum of the pressures of its pods, dimension by dimension. */
  readonly pressure: Map<string, number>
  /** What was found out about pods of one kind (by memoKind) while the node stays as it is. */
  readonly memo: Map<number, NodeMemo>
}

function allocatableOf(node: Node): Pick<NodeInfo, 'allocatable' | 'allocatableCpu' | 'allocatableMemory' | 'maxPods'> {
  const allocatable = resourcesOf(node.status?.allocatable)
  return {
    allocatable,
    allocatableCpu: allocatable.get('cpu') ?? 0,
    allocatableMemory: allocatable.get('memory') ?? 0,
    maxPods: allocatable.get('pods') ?? 0,
  }
}

export function createNodeInfo(node: Node): NodeInfo {
  return {
    name: node.metadata.name ?? '',
    node,
    pods: new Map(),
    requestedCpu: 0,
    requestedMemory: 0,
    requestedOthers: new Map(),
    nonZeroCpu: 0,
    nonZeroMemory: 0,
    ...allocatableOf(node),
    hostPorts: [],
    images: imagesOf(node),
    pressure: new Map(),
    memo: new Map(),
  }
}

/** A copy to try things on, without touching the original. */
export function cloneNodeInfo(info: NodeInfo): NodeInfo {
  return {
    name: info.name,
    node: info.node,
    pods: new Map(info.pods),
    requestedCpu: info.requestedCpu,
    requestedMemory: info.requestedMemory,
    requestedOthers: info.requestedOthers.size === 0 ? new Map() : new Map(info.requestedOthers),
    nonZeroCpu: info.nonZeroCpu,
    nonZeroMemory: info.nonZeroMemory,
    allocatable: info.allocatable,
    allocatableCpu: info.allocatableCpu,
    allocatableMemory: info.allocatableMemory,
    maxPods: info.maxPods,
    hostPorts: info.hostPorts,
    images: info.images,
    pressure: info.pressure,
    memo: new Map(),
  }
}

export function setNode(info: NodeInfo, node: Node): void {
  info.node = node
  Object.assign(info, allocatableOf(node))
  info.images = imagesOf(node)
  if (info.memo.size > 0) info.memo.clear()
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
  if (info.memo.size > 0) info.memo.clear()
  info.requestedCpu += sign * pod.cpu
  info.requestedMemory += sign * pod.memory
  if (pod.others.length > 0) add(info.requestedOthers, pod.others, sign)
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
