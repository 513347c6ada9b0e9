import { type Labels, matchesPod, pairOf, type PodMatcher } from './affinity-term.ts'
import type { PodInfo } from './pod-info.ts'

/** Which pods to count: those that all of the matchers choose. */
export interface PodQuery {
  readonly matchers: readonly PodMatcher[]
  /** Pods that are being deleted no longer count for spreading; for affinity they do. */
  readonly countTerminating: boolean
}

/** How many chosen pods there are where. Live: follows every change until the next change of the cluster's nodes. */
export interface PodCounts {
  readonly byNode: ReadonlyMap<string, number>
  /** By value of a node label; values without a pod are absent. */
  byTopology(key: string): ReadonlyMap<string, number>
}

interface LiveQuery extends PodCounts {
  readonly query: PodQuery
  readonly byNode: Map<string, number>
  readonly topologies: Map<string, Map<string, number>>
}

interface Placement {
  readonly pod: PodInfo
  readonly nodeName: string
  readonly nodeLabels: Labels
}

/** Counted sets of pods. A query that was asked before is answered from counts that each pod's coming and going keeps. */
export interface PodIndex {
  counts(query: PodQuery): PodCounts
  add(pod: PodInfo, nodeName: string, nodeLabels: Labels): void
  remove(uid: string): void
  /** Selectors over namespaces may now choose others. */
  forgetNamespaceSelectors(): void
}

/** Queries that are kept up to date; the one that was not asked for longest goes first. */
const maxQueries = 2048

export function createPodIndex(namespaceLabels: (namespace: string) => Labels): PodIndex {
  const placements = new Map<string, Placement>()
  const byNamespace = new Map<string, Set<Placement>>()
  const queries = new Map<string, LiveQuery>()
  /** Queries by a label that their pods must carry, and those without such a label. */
  const byPair = new Map<string, Set<LiveQuery>>()
  const unpaired = new Set<LiveQuery>()

  const chooses = ({ query }: LiveQuery, pod: PodInfo): boolean =>
    (query.countTerminating || !pod.isTerminating) &&
    query.matchers.every((matcher) => matchesPod(matcher, pod.namespace, pod.labels, namespaceLabels))

  const eachChoosing = (pod: PodInfo, visit: (live: LiveQuery) => void): void => {
    for (const [key, value] of Object.entries(pod.labels))
      for (const live of byPair.get(pairOf(key, value)) ?? []) if (chooses(live, pod)) visit(live)
    for (const live of unpaired) if (chooses(live, pod)) visit(live)
  }

  const candidates = function* (query: PodQuery): Iterable<Placement> {
    const matcher = query.matchers[0]
    if (matcher && matcher.namespaceRequirements === undefined)
      for (const namespace of matcher.namespaces) yield* byNamespace.get(namespace) ?? []
    else yield* placements.values()
  }

  const start = (query: PodQuery): LiveQuery => {
    const live: LiveQuery = {
      query,
      byNode: new Map(),
      topologies: new Map(),
      byTopology(key) {
        let counts = live.topologies.get(key)
        if (!counts) {
          counts = new Map()
          live.topologies.set(key, counts)
          for (const { pod, nodeLabels } of candidates(query))
            if (nodeLabels[key] !== undefined && chooses(live, pod)) bump(counts, nodeLabels[key], 1)
        }
        return counts
      },
    }
    for (const { pod, nodeName } of candidates(query)) if (chooses(live, pod)) bump(live.byNode, nodeName, 1)
    return live
  }
  const bucketOf = ({ query }: LiveQuery): Set<LiveQuery> => {
    const pair = query.matchers.find((matcher) => matcher.pair !== undefined)?.pair
    if (pair === undefined) return unpaired
    const bucket = byPair.get(pair) ?? new Set()
    byPair.set(pair, bucket)
    return bucket
  }
  const stop = (key: string, live: LiveQuery): void => {
    queries.delete(key)
    const pair = live.query.matchers.find((matcher) => matcher.pair !== undefined)?.pair
    const bucket = bucketOf(live)
    bucket.delete(live)
    if (pair !== undefined && bucket.size === 0) byPair.delete(pair)
  }

  const count = ({ pod, nodeName, nodeLabels }: Placement, by: 1 | -1): void =>
    eachChoosing(pod, (live) => {
      bump(live.byNode, nodeName, by)
      for (const [key, counts] of live.topologies) if (nodeLabels[key] !== undefined) bump(counts, nodeLabels[key], by)
    })

  return {
    counts(query) {
      const key = `${query.countTerminating}${query.matchers.map((matcher) => matcher.key).join('&')}`
      let live = queries.get(key)
      if (live) queries.delete(key)
      else {
        live = start(query)
        bucketOf(live).add(live)
      }
      queries.set(key, live)
      const oldest = queries.size > maxQueries ? queries.entries().next().value : undefined
      if (oldest) stop(...oldest)
      return live
    },
    add(pod, nodeName, nodeLabels) {
      const placement = { pod, nodeName, nodeLabels }
      placements.set(pod.uid, placement)
      const ofNamespace = byNamespace.get(pod.namespace) ?? new Set()
      byNamespace.set(pod.namespace, ofNamespace.add(placement))
      count(placement, 1)
    },
    remove(uid) {
      const placement = placements.get(uid)
      if (!placement) return
      placements.delete(uid)
      const ofNamespace = byNamespace.get(placement.pod.namespace)
      ofNamespace?.delete(placement)
      if (ofNamespace?.size === 0) byNamespace.delete(placement.pod.namespace)
      count(placement, -1)
    },
    forgetNamespaceSelectors() {
      for (const [key, live] of queries)
        if (live.query.matchers.some((matcher) => matcher.namespaceRequirements?.length)) stop(key, live)
    },
  }
}

/** Adds to a count; one that comes to nothing is taken out, so that the size says how many there are. */
export function bump(counts: Map<string, number>, key: string, by: number): void {
  const sum = (counts.get(key) ?? 0) + by
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}
