import type { Deployment, ReplicaSet } from '../../api/kinds.ts'
import { byAge, desiredReplicasAnnotation, maxReplicasAnnotation } from './deployment-revision.ts'
import { scaledValue } from './int-or-percent.ts'

/** How many replicas each ReplicaSet of a Deployment should have now, by name. Only those that change. */
export type Sizes = Map<ReplicaSet, number>

export const replicasOf = (set: ReplicaSet): number => set.spec?.replicas ?? 1
const total = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + replicasOf(set), 0)
const available = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0)

export function limits(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const wanted = deployment.spec?.replicas ?? 1
  const { strategy } = deployment.spec!
  if (strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 }
  const maxSurge = scaledValue(strategy?.rollingUpdate?.maxSurge ?? '25%', wanted, true)
  const maxUnavailable = Math.min(scaledValue(strategy?.rollingUpdate?.maxUnavailable ?? '25%', wanted, false), wanted)
  // Both rounded to nothing would stop every rollout.
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge, maxUnavailable: 1 } : { maxSurge, maxUnavailable }
}

/** Room for the new ReplicaSet below the most pods allowed. */
export function newReplicas(deployment: Deployment, sets: readonly ReplicaSet[], current: number): number {
  const wanted = deployment.spec?.replicas ?? 1
  if (deployment.spec?.strategy?.type === 'Recreate') return wanted
  if (current > wanted) return wanted
  const most = wanted + limits(deployment).maxSurge
  const now = total(sets)
  if (now >= most) return current
  return Math.min(current + most - now, wanted)
}

/** One step of a rolling update: grow the new ReplicaSet, then shrink the old ones as far as availability allows. */
export function rollingStep(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const sizes: Sizes = new Map()
  const grown = newReplicas(deployment, [fresh, ...old], replicasOf(fresh))
  if (grown !== replicasOf(fresh)) return sizes.set(fresh, grown)
  const wanted = deployment.spec?.replicas ?? 1
  const { maxUnavailable } = limits(deployment)
  const freshUnavailable = replicasOf(fresh) - (fresh.status?.availableReplicas ?? 0)
  let surplus = total([fresh, ...old]) - (wanted - maxUnavailable) - freshUnavailable
  if (surplus <= 0) return sizes
  // First those that are not available anyway: they cost nothing.
  for (const set of old.toSorted(byAge)) {
    const size = replicasOf(set)
    const unhealthy = size - (set.status?.availableReplicas ?? 0)
    const less = Math.min(unhealthy, surplus, size)
    if (less <= 0) continue
    sizes.set(set, size - less)
    surplus -= less
  }
  let removable = available([fresh, ...old]) - (wanted - maxUnavailable)
  for (const set of old.toSorted(byAge)) {
    const size = sizes.get(set) ?? replicasOf(set)
    const less = Math.min(size, removable)
    if (less <= 0) continue
    sizes.set(set, size - less)
    removable -= less
  }
  return sizes
}

/** Recreate: the old ones go to nothing first; the new one grows only when none of their pods is left. */
export function recreateStep(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  oldPodsRun: boolean,
): Sizes {
  const sizes: Sizes = new Map()
  for (const set of old) if (replicasOf(set) > 0) sizes.set(set, 0)
  const wanted = deployment.spec?.replicas ?? 1
  if (sizes.size === 0 && !oldPodsRun && fresh && replicasOf(fresh) !== wanted) sizes.set(fresh, wanted)
  return sizes
}

/** True when the Deployment was resized since its ReplicaSets were: they are then scaled in proportion, not rolled. */
export function wasScaled(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const wanted = String(deployment.spec?.replicas ?? 1)
  return sets.some(
    (set) => replicasOf(set) > 0 && (set.metadata.annotations?.[desiredReplicasAnnotation] ?? wanted) !== wanted,
  )
}

/** A new size in the middle of a rollout is shared out in proportion to the present sizes; what rounding leaves goes to the largest. */
export function proportionalStep(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Sizes {
  const sizes: Sizes = new Map()
  const wanted = deployment.spec?.replicas ?? 1
  const all = [...(fresh ? [fresh] : []), ...old]
  const active = all.filter((set) => replicasOf(set) > 0)
  const only = active.length === 1 ? active[0] : active.length === 0 ? (fresh ?? old.toSorted(byAge).at(-1)) : undefined
  if (only) {
    if (replicasOf(only) !== wanted) sizes.set(only, wanted)
    return sizes
  }
  if (fresh && (fresh.status?.availableReplicas ?? 0) === wanted && replicasOf(fresh) === wanted) {
    for (const set of old) if (replicasOf(set) > 0) sizes.set(set, 0)
    return sizes
  }
  const most = wanted > 0 ? wanted + limits(deployment).maxSurge : 0
  let toAdd = most - total(all)
  const growing = toAdd > 0
  const bySize = active.toSorted((a, b) => replicasOf(b) - replicasOf(a) || (growing ? byAge(b, a) : byAge(a, b)))
  for (const set of bySize) {
    const before = Number(set.metadata.annotations?.[maxReplicasAnnotation] ?? 0) || most
    const share = Math.round((replicasOf(set) * most) / before) - replicasOf(set)
    const change = growing ? Math.max(0, Math.min(share, toAdd)) : Math.min(0, Math.max(share, toAdd))
    sizes.set(set, replicasOf(set) + change)
    toAdd -= change
  }
  const largest = bySize[0]
  if (largest && toAdd !== 0) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + toAdd))
  return sizes
}
