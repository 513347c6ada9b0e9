import type { Pod, PodTemplateSpec } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { copyJson } from '../../lib/copy-json.ts'
import { controllerReference } from './ownership.ts'

export const podCondition = (pod: Pod, type: string) =>
  pod.status?.conditions?.find((condition) => condition.type === type)

export const isReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True'

/** Ready for at least `minReadySeconds`. */
export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return isReady(pod) && availableInMs(pod, minReadySeconds, nowMs) <= 0
}

/** Milliseconds until a ready pod counts as available; 0 or less when it does. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number {
  if (minReadySeconds === 0) return 0
  const since = Date.parse(podCondition(pod, 'Ready')?.lastTransitionTime ?? '')
  return Number.isNaN(since) ? minReadySeconds * 1000 : since + minReadySeconds * 1000 - nowMs
}

export const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

/** Counts towards its controller's replicas. */
export const isActive = (pod: Pod): boolean => !isFinished(pod) && !pod.metadata.deletionTimestamp

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }

const deletionCost = (pod: Pod): number =>
  Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0

const restarts = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount))

/**
 * The order in which surplus pods go, first first (upstream's ActivePodsWithRanks): not assigned, pending, not ready,
 * lower deletion cost, more of the same controller on its node, ready for a shorter time, more restarts, younger.
 */
export function byDeletionOrder(pods: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>()
  for (const pod of pods) onNode.set(pod.spec?.nodeName ?? '', (onNode.get(pod.spec?.nodeName ?? '') ?? 0) + 1)
  const rank = (pod: Pod): (number | string)[] => [
    pod.spec?.nodeName ? 1 : 0,
    phaseRank[pod.status?.phase ?? 'Pending'] ?? 1,
    isReady(pod) ? 1 : 0,
    deletionCost(pod),
    -(onNode.get(pod.spec?.nodeName ?? '') ?? 0),
    -Date.parse((isReady(pod) ? podCondition(pod, 'Ready')?.lastTransitionTime : undefined) ?? '1970-01-01T00:00:00Z'),
    -restarts(pod),
    -Date.parse(pod.metadata.creationTimestamp ?? '1970-01-01T00:00:00Z'),
    pod.metadata.name ?? '',
  ]
  return pods
    .map((pod) => ({ pod, rank: rank(pod) }))
    .toSorted((a, b) => compareRanks(a.rank, b.rank))
    .map(({ pod }) => pod)
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [position, left] of a.entries()) {
    const right = b[position]!
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** A pod from a template, owned by `owner`, named by it. */
export function podFromTemplate(owner: KubeObject, template: PodTemplateSpec): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {}
  const prefix = `${owner.metadata.name}-`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      // A generated name is at most 63 characters; five of them are random.
      generateName: prefix.length > 58 ? prefix.slice(0, 58) : prefix,
      namespace: owner.metadata.namespace,
      ...(labels ? { labels: { ...labels } } : {}),
      ...(annotations ? { annotations: { ...annotations } } : {}),
      ...(finalizers ? { finalizers: [...finalizers] } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    spec: copyJson(template.spec),
  } as Pod
}
