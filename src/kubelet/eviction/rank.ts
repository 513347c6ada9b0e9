import type { Pod } from '../../api/kinds.ts'
import { quantityValue } from '../../lib/quantity.ts'

/** Pods at or above this priority are never evicted by their node (system-node-critical). */
const criticalPriority = 2_000_000_000

export type EvictedResource = 'memory' | 'ephemeral-storage' | 'pids'

export interface Candidate {
  readonly pod: Pod
  /** Of the resource that is short, in bytes or processes. */
  readonly use: number
}

const isCritical = ({ metadata, spec }: Pod): boolean =>
  (spec?.priority ?? 0) >= criticalPriority || metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined

/** Requests of all app containers; processes cannot be asked for. */
function requested(pod: Pod, resource: EvictedResource): number {
  if (resource === 'pids') return 0
  return (pod.spec?.containers ?? []).reduce(
    (sum, { resources }) => sum + quantityValue(resources?.requests?.[resource] ?? '0'),
    0,
  )
}

/**
 * Who goes first when a resource is short: pods that use more than they asked for, then by priority, then by how much
 * more (upstream rankMemoryPressure; for processes by priority and use). Critical pods are not among them.
 */
export function rankForEviction(candidates: readonly Candidate[], resource: EvictedResource): Candidate[] {
  const over = ({ pod, use }: Candidate): number => use - requested(pod, resource)
  const exceeds = (one: Candidate): number => (resource !== 'pids' && over(one) > 0 ? 0 : 1)
  return candidates
    .filter(({ pod }) => !isCritical(pod))
    .toSorted(
      (a, b) =>
        exceeds(a) - exceeds(b) ||
        (a.pod.spec?.priority ?? 0) - (b.pod.spec?.priority ?? 0) ||
        over(b) - over(a) ||
        (a.pod.metadata.uid ?? '').localeCompare(b.pod.metadata.uid ?? ''),
    )
}

/** Bytes as upstream writes them in its messages: whole Ki. */
export const binaryQuantity = (bytes: number): string => (bytes === 0 ? '0' : `${Math.ceil(bytes / 1024)}Ki`)

/** Status.message of a pod that its node evicts for want of a resource. */
export function evictionMessage(
  candidate: Candidate,
  resource: EvictedResource,
  threshold: string,
  available: string,
): string {
  const text = (value: number): string => (resource === 'pids' ? String(value) : binaryQuantity(value))
  const request = requested(candidate.pod, resource)
  const containers = candidate.pod.spec?.containers ?? []
  const who = containers.length === 1 ? `Container ${containers[0]?.name}` : 'Pod'
  const consumer =
    candidate.use > request
      ? `${who} was using ${text(candidate.use)}, request is ${text(request)}, has larger consumption of ${resource}. `
      : ''
  return `The node was low on resource: ${resource}. Threshold quantity: ${threshold}, available: ${available}. ${consumer}`
}
