import type { Pod, PodCondition, ResourceRequirements } from '../../api/kinds.ts'
import { resourcesOf, type Resources } from '../../scheduler/framework/resources.ts'
import { podInfoOf } from '../../scheduler/framework/pod-info.ts'
import { timeText } from './container-status.ts'
import { containersOf, type ResizeRefusal, type ResizeState } from './pod-view.ts'

/** By container name: cpu and memory that the node has granted. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>

/** Condition types of a resize (KEP-1287): waits for room, or is granted and not yet in force. */
export const resizeConditions = ['PodResizePending', 'PodResizeInProgress'] as const

/** What the pod's object asks for. */
export const askedFor = (pod: Pod): Allocation =>
  new Map(
    containersOf(pod.spec ?? { containers: [] }).map(({ container }) => [container.name, container.resources ?? {}]),
  )

/** The pod as the node has granted it: everything is asked of this one, not of what its object wishes. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const granted = <T extends { name: string; resources?: ResourceRequirements }>(container: T): T => {
    const resources = allocation.get(container.name)
    return resources === undefined ? container : { ...container, resources }
  }
  if (pod.spec === undefined) return pod
  const { containers, initContainers } = pod.spec
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(granted),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(granted) }),
    },
  }
}

/** Where the new requests are counted: without what the status still says of the old ones. */
const requestsOf = (pod: Pod): Resources => podInfoOf({ ...pod, status: {} }).requests

/**
 * Whether the node has room for the pod as its object asks for it (upstream pkg/kubelet/allocation): more than the node
 * has is never granted, more than is free has to wait.
 */
export function resizeRefusal(
  pod: Pod,
  granted: Pod,
  allocatable: Readonly<Record<string, string>>,
  others: readonly Pod[],
): ResizeRefusal | undefined {
  if ((pod.metadata.annotations?.['kubernetes.io/config.source'] ?? 'api') !== 'api') {
    return { reason: 'Infeasible', message: 'In-place resize of static-pods is not supported' }
  }
  const capacities = resourcesOf(allocatable)
  const wanted = requestsOf(pod)
  const before = requestsOf(granted)
  let deferred: ResizeRefusal | undefined
  for (const name of ['cpu', 'memory']) {
    const requested = wanted.get(name) ?? 0
    const capacity = capacities.get(name)
    // What shrinks always fits, also on a node that is fuller than it should be.
    if (capacity === undefined || requested <= (before.get(name) ?? 0)) continue
    if (requested > capacity) {
      const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`
      return { reason: 'Infeasible', message }
    }
    const used = others.reduce((sum, other) => sum + (requestsOf(other).get(name) ?? 0), 0)
    if (requested <= capacity - used) continue
    const amounts = `requested: ${requested}, used: ${used}, capacity: ${capacity}`
    deferred ??= { reason: 'Deferred', message: `Node didn't have enough resource: ${name}, ${amounts}` }
  }
  return deferred
}

/** The conditions that tell of a resize; none when there is none. */
export function podResizeConditions(pod: Pod, { refusal, inProgress }: ResizeState, nowMs: number): PodCondition[] {
  const { generation } = pod.metadata
  const condition = (type: string, reason: string, message: string): PodCondition => {
    const old = pod.status?.conditions?.find((one) => one.type === type)
    return {
      type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status: 'True',
      ...(reason === '' ? {} : { reason }),
      ...(message === '' ? {} : { message }),
      lastTransitionTime: old?.status === 'True' && old.lastTransitionTime ? old.lastTransitionTime : timeText(nowMs),
    }
  }
  const [pending, progress] = resizeConditions
  return [
    ...(refusal === undefined ? [] : [condition(pending, refusal.reason, refusal.message)]),
    ...(inProgress === undefined ? [] : [condition(progress, inProgress === '' ? '' : 'Error', inProgress)]),
  ]
}

/** What is granted, as Events about a resize show it. */
export function resizeText(pod: Pod, error?: string): string {
  const shown = (list: readonly { name: string; resources?: ResourceRequirements }[] | undefined) =>
    list?.map(({ name, resources }) => ({ name, ...(resources === undefined ? {} : { resources }) }))
  const { containers, initContainers } = pod.spec ?? { containers: [] }
  return JSON.stringify({
    ...(initContainers?.length ? { initContainers: shown(initContainers) } : {}),
    containers: shown(containers),
    generation: pod.metadata.generation,
    ...(error === undefined ? {} : { error }),
  })
}
