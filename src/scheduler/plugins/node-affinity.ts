import type { PreferredSchedulingTerm } from '../../api/kinds.ts'
import { type FilterPlugin, normalizeScores, refuse, type ScorePlugin } from '../framework/framework.ts'
import { acceptsAnyNode, matchesNode, matchesTerm, namedNodes } from '../../api/node-selector.ts'

const mismatch = refuse("node(s) didn't match Pod's node affinity/selector", true)

/** Holds a pod to its nodeSelector and required node affinity. */
export const nodeAffinity: FilterPlugin<true> = {
  name: 'NodeAffinity',
  isLocal: true,
  prepare({ pod }) {
    if (acceptsAnyNode(pod)) return 'skip'
    const nodeNames = namedNodes(pod)
    return nodeNames ? { state: true, nodeNames } : { state: true }
  },
  filter: ({ pod }, { node }) => (matchesNode(pod.spec, node) ? undefined : mismatch),
  mayHelp: ({ pod }, event) =>
    event.kind === 'node-added' || (event.kind === 'node-updated' && event.changed.labels)
      ? matchesNode(pod.spec, event.node)
      : false,
}

/** Prefers nodes that match more of the weight of preferred node affinity. */
export const nodePreference: ScorePlugin<readonly PreferredSchedulingTerm[]> = {
  name: 'NodeAffinity',
  prepare({ pod }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    return preferred.length === 0 ? undefined : preferred
  },
  score: (_pod, { node }, preferred) =>
    preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(node, preference) ? weight : 0), 0),
  normalize: (scores) => normalizeScores(scores),
}
