import type { LabelSelector, Pod, PodAffinityTerm } from '../../api/kinds.ts'
import {
  formatRequirements,
  labelSelectorRequirements,
  type LabelRequirement,
  matchesLabels,
} from '../../lib/selector.ts'

export type Labels = Readonly<Record<string, string>>

/** A choice of pods: by namespace and by labels. Compiled once a pod, compared by its key. */
export interface PodMatcher {
  /** Equal for matchers that choose the same pods. */
  readonly key: string
  /** Namespaces by name. */
  readonly namespaces: ReadonlySet<string>
  /** Namespaces by label, besides those by name; undefined chooses none, an empty list all. */
  readonly namespaceRequirements: readonly LabelRequirement[] | undefined
  /** undefined chooses no pod. */
  readonly requirements: readonly LabelRequirement[] | undefined
  /** A `key=value` that every chosen pod carries, where there is one: what indices look it up by. */
  readonly pair: string | undefined
}

/** A compiled pod (anti-)affinity term. */
export interface AffinityTerm {
  readonly matcher: PodMatcher
  readonly topologyKey: string
  /** 0 for required terms. */
  readonly weight: number
  /** Equal for terms that mean the same. */
  readonly key: string
}

export const pairOf = (key: string, value: string): string => `${key}=${value}`

/** `namespaceSelector` undefined: by name only. */
export function createMatcher(
  namespaces: readonly string[],
  namespaceSelector: LabelSelector | undefined,
  requirements: readonly LabelRequirement[] | undefined,
): PodMatcher {
  const namespaceRequirements = labelSelectorRequirements(namespaceSelector)
  const sorted = namespaces.toSorted()
  const one = requirements?.find(
    ({ operator, values }) => (operator === '=' || operator === 'In') && values.length === 1,
  )
  const text = (list: readonly LabelRequirement[] | undefined): string => (list ? formatRequirements(list) : '-')
  return {
    key: `${sorted.join(',')}|${text(namespaceRequirements)}|${text(requirements)}`,
    namespaces: new Set(sorted),
    namespaceRequirements,
    requirements,
    pair: one && pairOf(one.key, one.values[0]!),
  }
}

/** Whether the matcher chooses a pod of this namespace and these labels. */
export function matchesPod(
  matcher: PodMatcher,
  namespace: string,
  labels: Labels,
  namespaceLabels: (namespace: string) => Labels,
): boolean {
  if (matcher.requirements === undefined || !matchesLabels(matcher.requirements, labels)) return false
  if (matcher.namespaces.has(namespace)) return true
  const { namespaceRequirements } = matcher
  if (namespaceRequirements === undefined) return false
  return namespaceRequirements.length === 0 || matchesLabels(namespaceRequirements, namespaceLabels(namespace))
}

/**
 * Compiles a term of `pod`. Without namespaces and selector of namespaces it means the pod's own namespace;
 * (mis)matchLabelKeys add the pod's own values (KEP-3633). Where the API server has merged them into the selector
 * already, doing it again changes nothing.
 */
export function compileTerm(pod: Pod, term: PodAffinityTerm, weight = 0): AffinityTerm {
  const named = term.namespaces ?? []
  const namespaces = named.length === 0 && !term.namespaceSelector ? [pod.metadata.namespace ?? ''] : named
  const requirements = withLabelKeys(
    labelSelectorRequirements(term.labelSelector),
    pod.metadata.labels ?? {},
    term.matchLabelKeys,
    term.mismatchLabelKeys,
  )
  const matcher = createMatcher(namespaces, term.namespaceSelector, requirements)
  return { matcher, topologyKey: term.topologyKey, weight, key: `${matcher.key}|${term.topologyKey}|${weight}` }
}

/** Adds `key in (the pod's value)` for each key that the pod carries; a missing selector stays missing. */
export function withLabelKeys(
  requirements: readonly LabelRequirement[] | undefined,
  labels: Labels,
  matchKeys: readonly string[] = [],
  mismatchKeys: readonly string[] = [],
): readonly LabelRequirement[] | undefined {
  if (requirements === undefined) return undefined
  const of = (keys: readonly string[], operator: 'In' | 'NotIn'): LabelRequirement[] =>
    keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]))
  return [...requirements, ...of(matchKeys, 'In'), ...of(mismatchKeys, 'NotIn')]
}
