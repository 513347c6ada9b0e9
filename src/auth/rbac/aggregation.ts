import type { ClusterRole, PolicyRule } from '../../api/kinds.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'

/**
 * The rules of an aggregated ClusterRole: those of every other ClusterRole that one of its selectors selects, by name,
 * without doubles. Roles that are aggregated themselves count with the rules that they carry (no recursion upstream
 * either: the controller runs until nothing changes).
 */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? []
  const selected = all
    .filter((other) => other.metadata.name !== role.metadata.name)
    .filter((other) => selectors.some((selector) => matchesLabelSelector(selector, other.metadata.labels)))
    .toSorted((left, right) => ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1))
  const seen = new Map<string, PolicyRule>()
  for (const rule of selected.flatMap((other) => other.rules ?? [])) seen.set(JSON.stringify(rule), rule)
  return [...seen.values()]
}
