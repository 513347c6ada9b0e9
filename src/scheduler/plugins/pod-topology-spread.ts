import { type Labels, matchesPod, type PodMatcher } from '../framework/affinity-term.ts'
import { type FilterPlugin, labelsOf, refuse, type Snapshot } from '../framework/framework.ts'
import type { NodeInfo } from '../framework/node-info.ts'
import { bump } from '../framework/pod-index.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import { acceptsEverywhere, constraintsOf, isEligible, type SpreadConstraint } from './spread-constraint.ts'

interface Domains {
  readonly constraint: SpreadConstraint
  /** Pods by topology value; values of eligible nodes without any may be absent. */
  readonly counts: ReadonlyMap<string, number>
  readonly shifted: Map<string, number>
  /** The value with the fewest pods, and the fewest anywhere else: enough to know the least after one value's shift. */
  readonly lowest: { readonly value: string | undefined; readonly count: number }
  readonly nextLowest: number
  /** Fewer domains than minDomains: the least counts as none. */
  readonly tooFew: boolean
  /** 1 when the pod itself will count. */
  readonly self: number
}

interface State {
  readonly domains: readonly Domains[]
}

const skewRefusal = refuse("node(s) didn't match pod topology spread constraints")
const labelRefusal = refuse("node(s) didn't match pod topology spread constraints (missing required label)", true)

/** Holds a pod to its constraints with DoNotSchedule. */
export const podTopologySpread: FilterPlugin<State> = {
  name: 'PodTopologySpread',
  prepare(pod, snapshot) {
    const constraints = constraintsOf(pod, 'DoNotSchedule')
    if (constraints.length === 0) return 'skip'
    return { state: { domains: constraints.map((constraint) => domainsOf(constraint, constraints, pod, snapshot)) } }
  },
  filter(_pod, { node }, { domains }) {
    const labels = labelsOf(node)
    for (const one of domains) {
      const value = labels[one.constraint.topologyKey]
      if (value === undefined) return labelRefusal
      const count = (one.counts.get(value) ?? 0) + (one.shifted.get(value) ?? 0)
      if (count + one.self - leastOf(one) > one.constraint.maxSkew) return skewRefusal
    }
    return undefined
  },
  shift({ domains }, pod, other, node, sign) {
    if (other.isTerminating) return
    const labels = labelsOf(node.node)
    if (domains.some(({ constraint }) => labels[constraint.topologyKey] === undefined)) return
    for (const { constraint, shifted } of domains)
      if (chosen(constraint.matcher, other) && isEligible(constraint, pod.pod, node.node))
        bump(shifted, labels[constraint.topologyKey]!, sign)
  },
  mayHelp(pod, event) {
    const constraints = constraintsOf(pod, 'DoNotSchedule')
    const concerns = (other: PodInfo): boolean => constraints.some(({ matcher }) => chosen(matcher, other))
    switch (event.kind) {
      case 'node-added':
        return true
      case 'node-updated':
        return event.changed.labels || event.changed.taints
      case 'pod-placed':
      case 'pod-removed':
        return concerns(event.pod)
      case 'pod-updated':
        return concerns(event.pod) || concerns(event.previous)
      default:
        return false
    }
  },
}

const noLabels = (): Labels => ({})
const chosen = (matcher: PodMatcher, pod: PodInfo): boolean => matchesPod(matcher, pod.namespace, pod.labels, noLabels)

function leastOf({ counts, lowest, nextLowest, shifted, tooFew }: Domains): number {
  if (tooFew) return 0
  if (shifted.size === 0) return lowest.count
  let least = lowest.value !== undefined && shifted.has(lowest.value) ? nextLowest : lowest.count
  for (const [value, by] of shifted) least = Math.min(least, (counts.get(value) ?? 0) + by)
  return least
}

function domainsOf(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  pod: PodInfo,
  snapshot: Snapshot,
): Domains {
  const everywhere =
    acceptsEverywhere(constraint, pod.pod) &&
    (all.length === 1 || all.every(({ topologyKey }) => snapshot.nodesWithLabel(topologyKey) === snapshot.nodes.length))
  const query = { matchers: [constraint.matcher], countTerminating: false }
  const placed = snapshot.podCounts(query)
  let counts: ReadonlyMap<string, number>
  let values: { readonly size: number; keys(): Iterable<string> }
  if (everywhere) {
    counts = placed.byTopology(constraint.topologyKey)
    values = snapshot.topologyValues(constraint.topologyKey)
  } else counts = values = countEligible(constraint, all, pod, snapshot.nodes, placed.byNode)
  let lowest: { value: string | undefined; count: number } = { value: undefined, count: Infinity }
  let nextLowest = Infinity
  for (const value of values.keys()) {
    const count = counts.get(value) ?? 0
    if (count < lowest.count) {
      nextLowest = lowest.count
      lowest = { value, count }
    } else if (count < nextLowest) nextLowest = count
    if (nextLowest === 0) break
  }
  return {
    constraint,
    counts,
    shifted: new Map(),
    lowest: lowest.value === undefined ? { value: undefined, count: 0 } : lowest,
    nextLowest,
    tooFew: values.size < constraint.minDomains,
    self: chosen(constraint.matcher, pod) ? 1 : 0,
  }
}

/** Every value of the nodes that count for this pod, with its pods, none included: one look at each node. */
function countEligible(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  { pod }: PodInfo,
  nodes: readonly NodeInfo[],
  byNode: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { name, node } of nodes) {
    const labels = labelsOf(node)
    if (!all.every(({ topologyKey }) => labels[topologyKey] !== undefined)) continue
    if (!isEligible(constraint, pod, node)) continue
    const value = labels[constraint.topologyKey]!
    counts.set(value, (counts.get(value) ?? 0) + (byNode.get(name) ?? 0))
  }
  return counts
}
