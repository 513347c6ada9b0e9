import type { Node, Pod } from '../../api/kinds.ts'
import { labelSelectorRequirements } from '../../lib/selector.ts'
import { tolerates } from '../../lib/taints.ts'
import { createMatcher, type PodMatcher, withLabelKeys } from '../framework/affinity-term.ts'
import type { PodInfo } from '../framework/pod-info.ts'
import { acceptsAnyNode, matchesNode } from '../../api/node-selector.ts'

/** A compiled topology spread constraint. */
export interface SpreadConstraint {
  readonly topologyKey: string
  readonly maxSkew: number
  readonly minDomains: number
  readonly matcher: PodMatcher
  /** Nodes that the pod's node selector and affinity leave out do not count (nodeAffinityPolicy Honor). */
  readonly honorAffinity: boolean
  /** Nodes with taints that the pod does not tolerate do not count (nodeTaintsPolicy Honor). */
  readonly honorTaints: boolean
}

const known = new WeakMap<PodInfo, Map<string, readonly SpreadConstraint[]>>()

/** The pod's own constraints of one kind: DoNotSchedule or ScheduleAnyway. */
export function constraintsOf(info: PodInfo, whenUnsatisfiable: string): readonly SpreadConstraint[] {
  const byKind = known.get(info) ?? new Map<string, readonly SpreadConstraint[]>()
  known.set(info, byKind)
  const found = byKind.get(whenUnsatisfiable)
  if (found) return found
  const result = (info.pod.spec?.topologySpreadConstraints ?? [])
    .filter((one) => one.whenUnsatisfiable === whenUnsatisfiable)
    .map((one): SpreadConstraint => {
      const own = labelSelectorRequirements(one.labelSelector)
      return {
        topologyKey: one.topologyKey,
        maxSkew: one.maxSkew,
        minDomains: one.minDomains ?? 1,
        matcher: createMatcher([info.namespace], undefined, withLabelKeys(own, info.labels, one.matchLabelKeys)),
        honorAffinity: (one.nodeAffinityPolicy ?? 'Honor') === 'Honor',
        honorTaints: one.nodeTaintsPolicy === 'Honor',
      }
    })
  byKind.set(whenUnsatisfiable, result)
  return result
}

/** What the cluster asks of pods without constraints of their own (KEP-1258): spread over hosts and zones, softly. */
export const systemDefaults = (matcher: PodMatcher): readonly SpreadConstraint[] =>
  [
    { topologyKey: 'kubernetes.io/hostname', maxSkew: 3 },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5 },
  ].map((one) => ({ ...one, minDomains: 1, matcher, honorAffinity: true, honorTaints: false }))

/** Whether no node is left out for this pod, so that counts of the whole cluster serve. */
export const acceptsEverywhere = (constraint: SpreadConstraint, pod: Pod): boolean =>
  (!constraint.honorAffinity || acceptsAnyNode(pod)) && !constraint.honorTaints

/** Whether pods on the node count for the constraint. */
export function isEligible(constraint: SpreadConstraint, pod: Pod, node: Node): boolean {
  if (constraint.honorAffinity && !matchesNode(pod.spec, node)) return false
  if (!constraint.honorTaints) return true
  return (node.spec?.taints ?? []).every(
    (taint) =>
      taint.effect === 'PreferNoSchedule' ||
      (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  )
}
