import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/kinds.ts'
import { type FilterPlugin, normalizeScores, type ScorePlugin } from '../framework/framework.ts'

function matchesRequirement(values: Readonly<Record<string, string>>, requirement: NodeSelectorRequirement): boolean {
  const value = values[requirement.key]
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
      return value !== undefined && Number(value) > Number(wanted[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(wanted[0])
    default:
      return false
  }
}

/** One term of a node selector: all of its expressions and fields; a term without any matches nothing. */
export function matchesTerm(node: Node, term: NodeSelectorTerm): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length === 0 && fields.length === 0) return false
  return (
    expressions.every((one) => matchesRequirement(node.metadata.labels ?? {}, one)) &&
    fields.every((one) => matchesRequirement({ 'metadata.name': node.metadata.name ?? '' }, one))
  )
}

/** nodeSelector and required node affinity, as the kubelet checks them too. */
export function matchesNode(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) if (labels[key] !== value) return false
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(node, term))
}

export const nodeAffinity: FilterPlugin = {
  name: 'NodeAffinity',
  filter: (pod, info) =>
    matchesNode(pod, info.node)
      ? undefined
      : { reason: "node(s) didn't match Pod's node affinity/selector", forGood: true },
}

export const nodePreference: ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  score(pod, info) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    return preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(info.node, preference) ? weight : 0), 0)
  },
  normalize: (scores) => normalizeScores(scores),
}
