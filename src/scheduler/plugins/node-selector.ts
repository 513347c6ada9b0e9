import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/kinds.ts'

type Values = Readonly<Record<string, string>>

const integer = /^[+-]?\d{1,19}$/

function matchesRequirement(values: Values, requirement: NodeSelectorRequirement): boolean {
  const value = Object.hasOwn(values, requirement.key) ? values[requirement.key] : undefined
  const wanted = requirement.values ?? []
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && wanted.includes(value)
    case 'NotIn':
      return value === undefined || !wanted.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
    case 'Lt': {
      const bound = wanted[0]
      if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false
      return requirement.operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound)
    }
    default:
      return false
  }
}

/** One term of a node selector: all of its expressions and fields; a term without any matches nothing. */
export function matchesTerm(node: Node, term: NodeSelectorTerm): boolean {
  const { matchExpressions = [], matchFields = [] } = term
  if (matchExpressions.length === 0 && matchFields.length === 0) return false
  return (
    matchExpressions.every((one) => matchesRequirement(node.metadata.labels ?? {}, one)) &&
    matchFields.every((one) => matchesRequirement({ 'metadata.name': node.metadata.name ?? '' }, one))
  )
}

export const matchesNodeSelector = (node: Node, selector: NodeSelector): boolean =>
  (selector.nodeSelectorTerms ?? []).some((term) => matchesTerm(node, term))

/** nodeSelector and required node affinity, as the kubelet checks them too. */
export function matchesNode(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) if (labels[key] !== value) return false
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || matchesNodeSelector(node, required)
}

/** Whether the pod leaves no node out by label or name. */
export const acceptsAnyNode = (pod: Pod): boolean =>
  Object.keys(pod.spec?.nodeSelector ?? {}).length === 0 &&
  !pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution

/**
 * The nodes that required affinity names by `metadata.name`, when every term does (pods of daemon sets): no other node
 * is worth a look. undefined when it does not say.
 */
export function namedNodes(pod: Pod): ReadonlySet<string> | undefined {
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  if (terms.length === 0) return undefined
  let result = new Set<string>()
  for (const { matchFields = [] } of terms) {
    const lists = matchFields.filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
    if (lists.length === 0) return undefined
    const names = lists.map(({ values }) => new Set(values)).reduce((all, one) => all.intersection(one))
    result = result.union(names)
  }
  return result
}
