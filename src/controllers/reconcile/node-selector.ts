import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/kinds.ts'

function holds(
  values: Readonly<Record<string, string>>,
  { key, operator, values: wanted = [] }: NodeSelectorRequirement,
): boolean {
  const value = Object.hasOwn(values, key) ? values[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && wanted.includes(value)
    case 'NotIn':
      return value === undefined || !wanted.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(wanted[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(wanted[0])
    default:
      return false
  }
}

/** One term: all of its expressions and fields; a term without any matches nothing. */
export function matchesTerm(node: Node, { matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchExpressions.every((one) => holds(node.metadata.labels ?? {}, one)) &&
    matchFields.every((one) => holds({ 'metadata.name': node.metadata.name ?? '' }, one))
  )
}

/** Whether the pod's nodeSelector and required node affinity allow the node. */
export function allowsNode(spec: Pod['spec'], node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  const plain = Object.entries(spec?.nodeSelector ?? {})
  if (!plain.every(([key, value]) => labels[key] === value)) return false
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(node, term))
}
