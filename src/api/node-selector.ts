import { matchesLabel, type LabelOperator } from '../lib/selector.ts'
import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from './kinds.ts'

type Values = Readonly<Record<string, string>>

const operators: ReadonlySet<string> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])

/** An operator that this version does not know matches nothing. */
const matchesRequirement = (values: Values, { key, operator, values: wanted = [] }: NodeSelectorRequirement): boolean =>
  operators.has(operator) && matchesLabel({ key, operator: operator as LabelOperator, values: wanted }, values)

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
export function matchesNode(spec: Pod['spec'], node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  for (const [key, value] of Object.entries(spec?.nodeSelector ?? {})) if (labels[key] !== value) return false
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
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
