import type { Pod, PodDisruptionBudget } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { RegistryOptions } from './environment.ts'
import { timestamp } from './metadata.ts'
import type { DeleteRequest } from './options.ts'
import { matchesLabelSelector } from '../lib/selector.ts'

const budgets = { group: 'policy', resource: 'poddisruptionbudgets' }
/** The controller needs a moment to catch up with a changed budget. */
const staleBudgetRetrySeconds = 10

/**
 * Asks the pod's budget for leave and counts the disruption against it, by decision: two evictions at once must not
 * both take the last one (core/pod eviction.go). Resolves when the pod may be deleted. Throws TooManyRequests.
 */
export async function reserveDisruption(registry: RegistryOptions, pod: Pod, dryRun: boolean): Promise<void> {
  if (mayIgnoreBudgets(pod)) return
  const { namespace = '', name = '' } = pod.metadata
  const covering = registry.store
    .list(budgets, namespace)
    .items.map((item) => item as PodDisruptionBudget & KubeObject)
    .filter(({ spec }) => matchesLabelSelector(spec?.selector, pod.metadata.labels))
  if (covering.length > 1) {
    throw errors.internal(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  }
  const budget = covering[0]
  if (!budget) return
  const { currentHealthy = 0, desiredHealthy = 0, disruptionsAllowed = 0 } = budget.status ?? {}
  if (!isReady(pod)) {
    if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return
    if (desiredHealthy > 0 && currentHealthy >= desiredHealthy) return
  }
  if ((budget.status?.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) {
    throw tooMany(
      `The disruption budget ${budget.metadata.name} is still being processed by the server.`,
      staleBudgetRetrySeconds,
    )
  }
  if (disruptionsAllowed <= 0) {
    throw tooMany(
      `The disruption budget ${budget.metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
      0,
    )
  }
  if (dryRun) return
  await registry.store.write({
    op: 'update',
    key: { ...budgets, namespace, name: budget.metadata.name ?? '' },
    uid: budget.metadata.uid ?? '',
    base: budget,
    object: {
      ...budget,
      status: {
        ...budget.status,
        disruptionsAllowed: disruptionsAllowed - 1,
        disruptedPods: { ...budget.status?.disruptedPods, [name]: timestamp(registry.clock.nowMs()) },
      },
    } as KubeObject,
    resourceVersion: budget.metadata.resourceVersion,
    decided: true,
  })
}

/** What an eviction's deleteOptions ask for, the caller's own preconditions kept. */
export function deletionOf(eviction: KubeObject): DeleteRequest {
  const { deleteOptions = {} } = eviction as KubeObject & {
    deleteOptions?: DeleteRequest & { dryRun?: string[] | boolean }
  }
  const dryRun = Array.isArray(deleteOptions.dryRun)
    ? deleteOptions.dryRun.includes('All')
    : deleteOptions.dryRun === true
  return { ...deleteOptions, dryRun }
}

/** What is not running, or already leaving, disrupts nothing. */
function mayIgnoreBudgets(pod: Pod): boolean {
  const phase = pod.status?.phase
  return (
    phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined
  )
}

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true

const tooMany = (why: string, retryAfterSeconds: number) =>
  new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
    causes: [{ reason: 'DisruptionBudget', message: why }],
  })
