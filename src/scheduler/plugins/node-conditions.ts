import type { Pod, Taint } from '../../api/kinds.ts'
import { tolerates } from '../../lib/taints.ts'
import { type FilterPlugin, normalizeScores, refuse, type ScorePlugin } from '../framework/framework.ts'
import type { HostPort } from '../framework/pod-info.ts'

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

const isTolerated = (pod: Pod, taint: Taint): boolean =>
  (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint))

const unschedulable = refuse('node(s) were unschedulable', true)

/** Refuses cordoned nodes, unless the pod tolerates their taint. */
export const nodeUnschedulable: FilterPlugin<true> = {
  name: 'NodeUnschedulable',
  isLocal: true,
  prepare: ({ pod }) => (isTolerated(pod, unschedulableTaint) ? 'skip' : { state: true }),
  filter: (_pod, { node }) => (node.spec?.unschedulable ? unschedulable : undefined),
  mayHelp: (_pod, event) =>
    (event.kind === 'node-added' || event.kind === 'node-updated') && !event.node.spec?.unschedulable,
}

const otherNode = refuse("node(s) didn't match the requested node name", true)

/** A pod that names its node goes there or nowhere. */
export const nodeName: FilterPlugin<string> = {
  name: 'NodeName',
  isLocal: true,
  prepare: ({ pod }) => (pod.spec?.nodeName ? { state: pod.spec.nodeName } : 'skip'),
  filter: (_pod, { name }, wanted) => (wanted === name ? undefined : otherNode),
  mayHelp: ({ pod }, event) => event.kind === 'node-added' && event.node.metadata.name === pod.spec?.nodeName,
}

const untolerated = (pod: Pod, taints: readonly Taint[] | undefined): Taint | undefined =>
  taints?.find((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(pod, taint))

/** Refuses nodes with a NoSchedule or NoExecute taint that the pod does not tolerate. */
export const taintToleration: FilterPlugin<true> = {
  name: 'TaintToleration',
  isLocal: true,
  prepare: () => ({ state: true }),
  filter({ pod }, { node }) {
    if (!node.spec?.taints) return undefined
    const taint = untolerated(pod, node.spec.taints)
    return taint && refuse(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`, true)
  },
  mayHelp: ({ pod }, event) =>
    (event.kind === 'node-added' || (event.kind === 'node-updated' && event.changed.taints)) &&
    untolerated(pod, event.node.spec?.taints) === undefined,
}

const soft = (taints: readonly Taint[] | undefined): readonly Taint[] =>
  taints?.filter(({ effect }) => effect === 'PreferNoSchedule') ?? []

/** Prefers nodes with fewer PreferNoSchedule taints that the pod does not tolerate. */
export const taintPreference: ScorePlugin<true> = {
  name: 'TaintToleration',
  prepare: (_pod, _snapshot, feasible) =>
    feasible.some(({ node }) => node.spec?.taints?.some(({ effect }) => effect === 'PreferNoSchedule'))
      ? true
      : undefined,
  score: ({ pod }, { node }) => soft(node.spec?.taints).filter((taint) => !isTolerated(pod, taint)).length,
  normalize: (scores) => normalizeScores(scores, true),
}

const portsTaken = refuse("node(s) didn't have free ports for the requested pod ports")

const clash = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0')

/** Refuses nodes where a host port that the pod asks for is taken. */
export const nodePorts: FilterPlugin<readonly HostPort[]> = {
  name: 'NodePorts',
  isLocal: true,
  prepare: ({ hostPorts }) => (hostPorts.length === 0 ? 'skip' : { state: hostPorts }),
  filter: (_pod, node, wanted) =>
    node.hostPorts.some((taken) => wanted.some((one) => clash(one, taken))) ? portsTaken : undefined,
  mayHelp: ({ hostPorts }, event) =>
    event.kind === 'node-added' ||
    (event.kind === 'pod-removed' && event.pod.hostPorts.some((free) => hostPorts.some((one) => clash(one, free)))),
}
