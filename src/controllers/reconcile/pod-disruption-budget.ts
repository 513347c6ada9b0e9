import type {
  Condition,
  Deployment,
  Pod,
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
  ReplicaSet,
} from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import { type Controller, keyOf, nothing, type Plan, referenceTo, splitKey, type View } from '../controller.ts'
import { scaledValue } from './int-or-percent.ts'
import { controllerOf } from './ownership.ts'
import { isReady } from './pod-state.ts'
import { sameJson } from '../../lib/same-json.ts'
import { timeMs, timestamp } from './timestamp.ts'
import { eventAction, mutateAction, selectedBy, selfWatch, sooner } from './workload.ts'

const ref = refs.podDisruptionBudgets
/** An eviction that was granted and not carried out is forgotten after this time (upstream's DeletionTimeout). */
const disruptionTimeoutMs = 120_000

/** Keeps count of how many pods may be evicted under each budget (policy/v1 PodDisruptionBudget status). */
export const disruptionController: Controller = {
  name: 'disruption',
  watches: [
    selfWatch(ref),
    {
      ref: refs.pods,
      keysOf: ({ object, previous, namespace }, view) =>
        view
          .list<PodDisruptionBudget>(ref, namespace)
          .filter((budget) =>
            [object, previous].some((pod) => pod && matchesLabelSelector(budget.spec?.selector, pod.metadata.labels)),
          )
          .map(keyOf),
    },
    ...[refs.deployments, refs.replicaSets, refs.statefulSets, refs.replicationControllers].map((scaled) => ({
      ref: scaled,
      keysOf: ({ namespace }: { namespace: string }, view: View) =>
        view.list<PodDisruptionBudget>(ref, namespace).map(keyOf),
    })),
  ],
  keys: (view) => view.list<PodDisruptionBudget>(ref).map(keyOf),
  plan: planBudget,
}

function planBudget(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const budget = view.get<PodDisruptionBudget>(ref, namespace, name)
  if (!budget?.spec || budget.metadata.deletionTimestamp) return nothing
  const pods = selectedBy<Pod>(view, refs.pods, namespace, budget.spec.selector)
  const { disrupted, nextMs } = stillDisrupted(budget, pods, nowMs)
  const { expected, desired } = expectedCount(budget, pods, view)
  const healthy = pods.filter(
    (pod) => isReady(pod) && !pod.metadata.deletionTimestamp && !Object.hasOwn(disrupted, pod.metadata.name ?? ''),
  ).length
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0
  const status: PodDisruptionBudgetStatus = {
    conditions: [disruptionAllowed(budget, allowed, nowMs)],
    currentHealthy: healthy,
    desiredHealthy: desired,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    disruptionsAllowed: allowed,
    expectedPods: expected,
    observedGeneration: budget.metadata.generation ?? 0,
  }
  const later = nextMs === undefined ? {} : { requeueAfterMs: nextMs }
  if (sameJson(status, budget.status)) return { actions: [], ...later }
  const write = mutateAction(
    ref,
    budget,
    // An eviction that was granted meanwhile must not be forgotten: its change brings this key back.
    (current) =>
      sameJson(current.status?.disruptedPods, budget.status?.disruptedPods) ? { ...current, status } : undefined,
    'status',
  )
  const noPods = eventAction(referenceTo(budget), 'Normal', 'NoPods', 'No matching pods found')
  return { actions: pods.length === 0 ? [write, noPods] : [write], ...later }
}

function stillDisrupted(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number) {
  const byName = new Map(pods.map((pod) => [pod.metadata.name!, pod]))
  const disrupted: Record<string, string> = {}
  let nextMs: number | undefined
  for (const [name, since] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = byName.get(name)
    if (!pod || pod.metadata.deletionTimestamp) continue
    const leftMs = (timeMs(since) ?? 0) + disruptionTimeoutMs - nowMs
    if (leftMs <= 0) continue
    disrupted[name] = since
    nextMs = sooner(nextMs, leftMs)
  }
  return { disrupted, nextMs }
}

/** How many pods there should be, and how many of them must stay healthy. */
function expectedCount(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  view: View,
): { expected: number; desired: number } {
  const { minAvailable, maxUnavailable } = spec ?? {}
  if (maxUnavailable !== undefined) {
    const expected = controllersScale(pods, view)
    return { expected, desired: Math.max(0, expected - scaledValue(maxUnavailable, expected, true)) }
  }
  if (typeof minAvailable === 'string') {
    const expected = controllersScale(pods, view)
    return { expected, desired: scaledValue(minAvailable, expected, true) }
  }
  return { expected: pods.length, desired: minAvailable ?? 0 }
}

/** The sum of what the pods' controllers want, each counted once. */
function controllersScale(pods: readonly Pod[], view: View): number {
  const scales = new Map<string, number>()
  for (const pod of pods) {
    const owner = controllerOf(pod)
    if (!owner) continue
    const namespace = pod.metadata.namespace ?? ''
    const direct = {
      ReplicaSet: refs.replicaSets,
      StatefulSet: refs.statefulSets,
      ReplicationController: refs.replicationControllers,
    }
    const found = view.get<ReplicaSet>(
      direct[owner.kind as keyof typeof direct] ?? refs.replicaSets,
      namespace,
      owner.name,
    )
    if (found?.metadata.uid !== owner.uid) continue
    const above = controllerOf(found)
    const deployment = above?.kind === 'Deployment' && view.get<Deployment>(refs.deployments, namespace, above.name)
    const counted = deployment || found
    scales.set(counted.metadata.uid!, counted.spec?.replicas ?? 1)
  }
  return [...scales.values()].reduce((sum, one) => sum + one, 0)
}

function disruptionAllowed(budget: PodDisruptionBudget, allowed: number, nowMs: number): Condition {
  const status = allowed > 0 ? 'True' : 'False'
  const before = budget.status?.conditions?.find((one) => one.type === 'DisruptionAllowed')
  return {
    type: 'DisruptionAllowed',
    status,
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration: budget.metadata.generation ?? 0,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : timestamp(nowMs),
  }
}
