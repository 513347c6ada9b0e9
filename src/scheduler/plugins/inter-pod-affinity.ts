import { type AffinityTerm, type Labels, matchesPod } from '../framework/affinity-term.ts'
import { type FilterPlugin, labelsOf, refuse, type ScorePlugin, type Snapshot } from '../framework/framework.ts'
import { bump } from '../framework/pod-index.ts'
import type { PodInfo } from '../framework/pod-info.ts'

/** A topology key and how many pods that matter there are under each of its values. */
interface Tally {
  readonly topologyKey: string
  readonly counts: ReadonlyMap<string, number>
  /** Corrections while pods are tried out. */
  readonly shifted: Map<string, number>
  readonly term: AffinityTerm
}

interface State {
  /** Required anti-affinity of placed pods against this one. */
  readonly against: readonly Tally[]
  readonly affinity: readonly Tally[]
  readonly antiAffinity: readonly Tally[]
  /** Whether the pod would be the near one that it asks for: then the first of its kind may go anywhere. */
  readonly matchesItself: boolean
  /** Tallies of anti-affinity that only pods tried out have. */
  readonly tried: Map<string, number>
  readonly namespaceLabels: (namespace: string) => Labels
}

const tallyOf = (term: AffinityTerm, counts: ReadonlyMap<string, number>): Tally => ({
  topologyKey: term.topologyKey,
  counts,
  shifted: new Map(),
  term,
})

const at = (tally: Tally, value: string): number => (tally.counts.get(value) ?? 0) + (tally.shifted.get(value) ?? 0)

function isEmpty({ counts, shifted }: Tally): boolean {
  if (shifted.size === 0) return counts.size === 0
  let sum = 0
  for (const count of counts.values()) sum += count
  for (const count of shifted.values()) sum += count
  return sum === 0
}

const affinityRefusal = refuse("node(s) didn't match pod affinity rules", true)
const antiAffinityRefusal = refuse("node(s) didn't match pod anti-affinity rules")
const existingRefusal = refuse("node(s) didn't satisfy existing pods anti-affinity rules")

const chooses = (term: AffinityTerm, pod: PodInfo, namespaceLabels: State['namespaceLabels']): boolean =>
  matchesPod(term.matcher, pod.namespace, pod.labels, namespaceLabels)

const choosesAll = (terms: readonly AffinityTerm[], pod: PodInfo, namespaceLabels: State['namespaceLabels']): boolean =>
  terms.every((term) => chooses(term, pod, namespaceLabels))

/** Required affinity and anti-affinity between pods, in both directions. */
export const interPodAffinity: FilterPlugin<State> = {
  name: 'InterPodAffinity',
  prepare(pod, snapshot) {
    const against = snapshot.terms.requiredAnti.choosing(pod)
    if (against.length === 0 && pod.affinity.length === 0 && pod.antiAffinity.length === 0) return 'skip'
    // A pod counts as near only where it matches all terms at once.
    const near = { matchers: pod.affinity.map(({ matcher }) => matcher), countTerminating: true }
    return {
      state: {
        against: against.map(({ term, counts }) => tallyOf(term, counts)),
        affinity: pod.affinity.map((term) => tallyOf(term, snapshot.podCounts(near).byTopology(term.topologyKey))),
        antiAffinity: pod.antiAffinity.map((term) => tallyOf(term, countsOf(term, snapshot))),
        matchesItself: choosesAll(pod.affinity, pod, snapshot.namespaceLabels),
        tried: new Map(),
        namespaceLabels: snapshot.namespaceLabels,
      },
    }
  },
  filter(_pod, { node }, state) {
    const labels = labelsOf(node)
    let isNear = true
    for (const tally of state.affinity) {
      const value = labels[tally.topologyKey]
      if (value === undefined) return affinityRefusal
      if (at(tally, value) <= 0) isNear = false
    }
    if (!isNear && !(state.matchesItself && state.affinity.every(isEmpty))) return affinityRefusal
    for (const tally of state.antiAffinity) {
      const value = labels[tally.topologyKey]
      if (value !== undefined && at(tally, value) > 0) return antiAffinityRefusal
    }
    for (const tally of state.against) {
      const value = labels[tally.topologyKey]
      if (value !== undefined && at(tally, value) > 0) return existingRefusal
    }
    for (const pair of state.tried.keys()) {
      const [key = '', value] = pair.split('\0')
      if (labels[key] === value) return existingRefusal
    }
    return undefined
  },
  shift(state, pod, other, { node }, sign) {
    const labels = labelsOf(node)
    const move = (tally: Tally): void => {
      const value = labels[tally.topologyKey]
      if (value !== undefined) bump(tally.shifted, value, sign)
    }
    const { namespaceLabels } = state
    if (state.affinity.length > 0 && choosesAll(pod.affinity, other, namespaceLabels)) state.affinity.forEach(move)
    for (const tally of state.antiAffinity) if (chooses(tally.term, other, namespaceLabels)) move(tally)
    for (const term of other.antiAffinity) {
      if (!chooses(term, pod, namespaceLabels)) continue
      const known = state.against.find((tally) => tally.term.key === term.key)
      const value = labels[term.topologyKey]
      if (known) move(known)
      else if (value !== undefined) bump(state.tried, `${term.topologyKey}\0${value}`, sign)
    }
  },
  mayHelp(pod, event) {
    // Labels of namespaces are not at hand here: a selector over them is taken to choose.
    const concerns = (terms: readonly AffinityTerm[], other: PodInfo): boolean =>
      terms.some(
        ({ matcher }) =>
          matcher.namespaceRequirements !== undefined || matchesPod(matcher, other.namespace, other.labels, noLabels),
      )
    switch (event.kind) {
      case 'node-added':
        return true
      case 'node-updated':
        return event.changed.labels
      case 'pod-placed':
        return concerns(pod.affinity, event.pod)
      case 'pod-updated':
        return concerns(pod.affinity, event.pod) || concerns(pod.antiAffinity, event.previous)
      case 'pod-removed':
        return concerns(pod.antiAffinity, event.pod) || concerns(event.pod.antiAffinity, pod)
      case 'namespace-changed':
        return true
      default:
        return false
    }
  },
}

const noLabels = (): Labels => ({})

const countsOf = (term: AffinityTerm, snapshot: Snapshot): ReadonlyMap<string, number> =>
  snapshot.podCounts({ matchers: [term.matcher], countTerminating: true }).byTopology(term.topologyKey)

interface Pull {
  readonly topologyKey: string
  readonly counts: ReadonlyMap<string, number>
  readonly weight: number
}

/** Weight of a placed pod's required affinity towards this one, in its favour (hardPodAffinityWeight). */
const hardPodAffinityWeight = 1

/** Preferred affinity and anti-affinity between pods, in both directions. */
export const podPreference: ScorePlugin<readonly Pull[]> = {
  name: 'InterPodAffinity',
  prepare(pod, snapshot) {
    const pulls: Pull[] = []
    const add = (term: AffinityTerm, counts: ReadonlyMap<string, number>, weight: number): void => {
      if (counts.size > 0) pulls.push({ topologyKey: term.topologyKey, counts, weight })
    }
    for (const term of pod.preferredAffinity) add(term, countsOf(term, snapshot), term.weight)
    for (const term of pod.preferredAntiAffinity) add(term, countsOf(term, snapshot), -term.weight)
    const { required, preferred, preferredAnti } = snapshot.terms
    for (const { term, counts } of required.choosing(pod)) add(term, counts, hardPodAffinityWeight)
    for (const { term, counts } of preferred.choosing(pod)) add(term, counts, term.weight)
    for (const { term, counts } of preferredAnti.choosing(pod)) add(term, counts, -term.weight)
    return pulls.length === 0 ? undefined : pulls
  },
  score(_pod, { node }, pulls) {
    const labels = labelsOf(node)
    let sum = 0
    for (const { topologyKey, counts, weight } of pulls) {
      const value = labels[topologyKey]
      if (value !== undefined) sum += weight * (counts.get(value) ?? 0)
    }
    return sum
  },
  normalize(scores) {
    let [least, most] = [Infinity, -Infinity]
    for (const score of scores) {
      least = Math.min(least, score)
      most = Math.max(most, score)
    }
    return scores.map((score) => (most === least ? 0 : Math.floor((100 * (score - least)) / (most - least))))
  },
}
