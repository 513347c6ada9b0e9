import type { Pod } from '../../api/kinds.ts'
import type { NodeInfo } from './node-info.ts'

/** What plugins may look at: every node with its pods, as one consistent picture. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[]
  /** Labels of a namespace, for selectors over namespaces. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>>
}

/** Why a node was refused, in the words of upstream's events; `forGood`: removing pods from it would not help. */
export interface Refusal {
  reason: string
  forGood: boolean
}

/** Pure. `prepare` runs once a pod, `filter` and `score` once a node. */
export interface FilterPlugin<State = unknown> {
  name: string
  prepare?(pod: Pod, snapshot: Snapshot): State
  filter(pod: Pod, info: NodeInfo, state: State): Refusal | undefined
}

export interface ScorePlugin<State = unknown> {
  name: string
  weight: number
  prepare?(pod: Pod, snapshot: Snapshot): State
  /** Any finite number; `normalize` brings the scores of all nodes to 0…100. */
  score(pod: Pod, info: NodeInfo, state: State): number
  normalize?(scores: number[]): number[]
}

export interface Profile {
  name: string
  filters: readonly FilterPlugin[]
  scores: readonly ScorePlugin[]
}

export interface NodeScore {
  node: string
  score: number
  byPlugin: Record<string, number>
}

export type Outcome =
  | { node: string; scores: NodeScore[] }
  | { node: undefined; refusals: Map<string, { plugin: string; refusal: Refusal }> }

export const maxScore = 100

/**
 * Chooses a node for a pod. Pure; `chance` (0…1) breaks ties among the best, so that equal nodes fill evenly.
 */
export function schedule(pod: Pod, snapshot: Snapshot, profile: Profile, chance: number): Outcome {
  const refusals = new Map<string, { plugin: string; refusal: Refusal }>()
  const states = profile.filters.map((plugin) => plugin.prepare?.(pod, snapshot))
  const fitting = snapshot.nodes.filter((info) => {
    for (const [index, plugin] of profile.filters.entries()) {
      const refusal = plugin.filter(pod, info, states[index])
      if (refusal) {
        refusals.set(info.node.metadata.name!, { plugin: plugin.name, refusal })
        return false
      }
    }
    return true
  })
  if (fitting.length === 0) return { node: undefined, refusals }
  const scores = scoreNodes(pod, fitting, snapshot, profile)
  const best = Math.max(...scores.map((one) => one.score))
  const candidates = scores.filter((one) => one.score === best)
  return { node: candidates[Math.min(candidates.length - 1, Math.floor(chance * candidates.length))]!.node, scores }
}

function scoreNodes(pod: Pod, fitting: readonly NodeInfo[], snapshot: Snapshot, profile: Profile): NodeScore[] {
  const totals = fitting.map((info): NodeScore => ({ node: info.node.metadata.name!, score: 0, byPlugin: {} }))
  if (fitting.length === 1) return totals
  for (const plugin of profile.scores) {
    const state = plugin.prepare?.(pod, snapshot)
    const raw = fitting.map((info) => plugin.score(pod, info, state))
    const normal = plugin.normalize ? plugin.normalize(raw) : raw
    for (const [index, value] of normal.entries()) {
      totals[index]!.score += value * plugin.weight
      totals[index]!.byPlugin[plugin.name] = value * plugin.weight
    }
  }
  return totals
}

/** Highest raw score becomes 100, the others in proportion; with `reverse` the lowest raw score is the best. */
export function normalizeScores(scores: readonly number[], reverse = false): number[] {
  const most = Math.max(...scores)
  if (most === 0) return scores.map(() => (reverse ? maxScore : 0))
  return scores.map((score) => {
    const share = Math.floor((score * maxScore) / most)
    return reverse ? maxScore - share : share
  })
}

/** `0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.` */
export function failureMessage(nodeCount: number, refusals: Iterable<Refusal>): string {
  const counts = new Map<string, number>()
  for (const { reason } of refusals) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted()
  return parts.length === 0
    ? `0/${nodeCount} nodes are available.`
    : `0/${nodeCount} nodes are available: ${parts.join(', ')}.`
}
