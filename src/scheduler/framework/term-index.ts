import { type AffinityTerm, type Labels, matchesPod, pairOf } from './affinity-term.ts'
import { bump } from './pod-index.ts'
import type { PodInfo } from './pod-info.ts'

/** A term that placed pods carry, and how many of them do where: by value of the term's topology key. */
export interface TermGroup {
  readonly term: AffinityTerm
  readonly counts: ReadonlyMap<string, number>
}

/** Terms of placed pods, grouped by meaning: a thousand replicas are one group. */
export interface TermIndex {
  add(term: AffinityTerm, nodeLabels: Labels): void
  remove(term: AffinityTerm, nodeLabels: Labels): void
  /** The groups whose term chooses this pod. */
  choosing(pod: PodInfo): TermGroup[]
  readonly size: number
}

interface LiveGroup {
  readonly term: AffinityTerm
  readonly counts: Map<string, number>
  /** Pods that carry the term, on nodes without the topology key as well. */
  carriers: number
}

export function createTermIndex(namespaceLabels: (namespace: string) => Labels): TermIndex {
  const groups = new Map<string, LiveGroup>()
  const byPair = new Map<string, Set<LiveGroup>>()
  const unpaired = new Set<LiveGroup>()

  const bucketOf = ({ matcher }: AffinityTerm): Set<LiveGroup> => {
    if (matcher.pair === undefined) return unpaired
    const bucket = byPair.get(matcher.pair) ?? new Set()
    byPair.set(matcher.pair, bucket)
    return bucket
  }
  const chooses = ({ term }: LiveGroup, pod: PodInfo): boolean =>
    matchesPod(term.matcher, pod.namespace, pod.labels, namespaceLabels)

  return {
    get size() {
      return groups.size
    },
    add(term, nodeLabels) {
      let group = groups.get(term.key)
      if (!group) {
        group = { term, counts: new Map(), carriers: 0 }
        groups.set(term.key, group)
        bucketOf(term).add(group)
      }
      group.carriers++
      const value = nodeLabels[term.topologyKey]
      if (value !== undefined) bump(group.counts, value, 1)
    },
    remove(term, nodeLabels) {
      const group = groups.get(term.key)
      if (!group) return
      const value = nodeLabels[term.topologyKey]
      if (value !== undefined) bump(group.counts, value, -1)
      if (--group.carriers > 0) return
      groups.delete(term.key)
      const bucket = bucketOf(term)
      bucket.delete(group)
      if (term.matcher.pair !== undefined && bucket.size === 0) byPair.delete(term.matcher.pair)
    },
    choosing(pod) {
      const found = [...unpaired].filter((group) => chooses(group, pod))
      if (byPair.size > 0)
        for (const [key, value] of Object.entries(pod.labels))
          for (const group of byPair.get(pairOf(key, value)) ?? []) if (chooses(group, pod)) found.push(group)
      return found
    },
  }
}
