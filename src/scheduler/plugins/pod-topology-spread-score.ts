import { labelsOf, maxScore, type ScorePlugin, type Snapshot } from '../framework/framework.ts'
import type { NodeInfo } from '../framework/node-info.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import {
  acceptsEverywhere,
  constraintsOf,
  isEligible,
  type SpreadConstraint,
  systemDefaults,
} from './spread-constraint.ts'

interface Weighed {
  readonly constraint: SpreadConstraint
  /** By node for the host name, by topology value otherwise. */
  readonly counts: ReadonlyMap<string, number>
  readonly isHost: boolean
  /** Grows with the number of domains, so that many small ones do not drown few large ones. */
  readonly weight: number
}

interface State {
  readonly constraints: readonly Weighed[]
  /** Nodes without one of the topology keys: they get nothing. */
  readonly ignored: ReadonlySet<NodeInfo>
}

const hostKey = 'kubernetes.io/hostname'

/** Prefers nodes whose domains have fewer of the pods that the constraints with ScheduleAnyway choose. */
export const spreadPreference: ScorePlugin<State> = {
  name: 'PodTopologySpread',
  prepare(pod, snapshot, feasible) {
    const hasOwn = (pod.pod.spec?.topologySpreadConstraints ?? []).length > 0
    const siblings = hasOwn ? undefined : snapshot.siblings(pod.pod)
    const constraints = hasOwn ? constraintsOf(pod, 'ScheduleAnyway') : siblings ? systemDefaults(siblings) : []
    if (constraints.length === 0) return undefined
    const ignored = new Set<NodeInfo>()
    if (hasOwn)
      for (const node of feasible)
        if (constraints.some(({ topologyKey }) => labelsOf(node.node)[topologyKey] === undefined)) ignored.add(node)
    return {
      ignored,
      constraints: constraints.map((one) => weigh(one, constraints, pod, snapshot, feasible, ignored, hasOwn)),
    }
  },
  score(_pod, node, { constraints, ignored }) {
    if (ignored.size > 0 && ignored.has(node)) return 0
    const labels = labelsOf(node.node)
    let sum = 0
    for (const { constraint, counts, isHost, weight } of constraints) {
      const value = labels[constraint.topologyKey]
      if (value === undefined) continue
      sum += (counts.get(isHost ? node.name : value) ?? 0) * weight + (constraint.maxSkew - 1)
    }
    return Math.round(sum)
  },
  normalize(scores, { ignored }, feasible) {
    let [least, most] = [Infinity, 0]
    for (const [index, score] of scores.entries()) {
      if (ignored.has(feasible[index]!)) continue
      least = Math.min(least, score)
      most = Math.max(most, score)
    }
    return scores.map((score, index) => {
      if (ignored.has(feasible[index]!)) return 0
      return most === 0 ? maxScore : Math.floor((maxScore * (most + least - score)) / most)
    })
  },
}

function weigh(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  pod: PodInfo,
  snapshot: Snapshot,
  feasible: readonly NodeInfo[],
  ignored: ReadonlySet<NodeInfo>,
  needsAllKeys: boolean,
): Weighed {
  const isHost = constraint.topologyKey === hostKey
  const placed = snapshot.podCounts({ matchers: [constraint.matcher], countTerminating: false })
  const domains = new Set<string>()
  if (!isHost)
    for (const node of feasible) {
      const value = labelsOf(node.node)[constraint.topologyKey]
      if (value !== undefined && !ignored.has(node)) domains.add(value)
    }
  const size = isHost ? feasible.length - ignored.size : domains.size
  const everywhere =
    acceptsEverywhere(constraint, pod.pod) &&
    (!needsAllKeys ||
      all.length === 1 ||
      all.every(({ topologyKey }) => snapshot.nodesWithLabel(topologyKey) === snapshot.nodes.length))
  let counts = isHost ? placed.byNode : placed.byTopology(constraint.topologyKey)
  if (!isHost && !everywhere) counts = countEligible(constraint, all, pod, snapshot, placed.byNode, needsAllKeys)
  return { constraint, counts, isHost, weight: Math.log(size + 2) }
}

function countEligible(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  { pod }: PodInfo,
  snapshot: Snapshot,
  byNode: ReadonlyMap<string, number>,
  needsAllKeys: boolean,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const [name, count] of byNode) {
    const node = snapshot.node(name)?.node
    const value = node && labelsOf(node)[constraint.topologyKey]
    if (!node || value === undefined || !isEligible(constraint, pod, node)) continue
    if (needsAllKeys && !all.every(({ topologyKey }) => labelsOf(node)[topologyKey] !== undefined)) continue
    counts.set(value, (counts.get(value) ?? 0) + count)
  }
  return counts
}
