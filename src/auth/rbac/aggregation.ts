import type { ClusterRole, PolicyRule } from '../../api/kinds.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'

/**
 * The rules of a ClusterRole: its own, or, when it is aggregated, those of every other ClusterRole that one of its
 * selectors selects, by name and without doubles. Aggregated roles among those count with what they aggregate (view in
 * edit in admin): the state in which upstream's controller comes to rest. Roles that select each other add nothing twice.
 */
export function effectiveRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>()
  collect(role, all, new Set(), rules)
  return [...rules.values()]
}

function collect(
  role: ClusterRole,
  all: readonly ClusterRole[],
  visited: Set<string>,
  rules: Map<string, PolicyRule>,
): void {
  const name = role.metadata.name ?? ''
  if (visited.has(name)) return
  visited.add(name)
  if (!role.aggregationRule) {
    for (const rule of role.rules ?? []) rules.set(JSON.stringify(rule), rule)
    return
  }
  const selectors = role.aggregationRule.clusterRoleSelectors ?? []
  all
    .filter((other) => selectors.some((selector) => matchesLabelSelector(selector, other.metadata.labels)))
    .toSorted((left, right) => ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1))
    .forEach((other) => collect(other, all, visited, rules))
}
