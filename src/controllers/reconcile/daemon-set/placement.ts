import type { DaemonSet, Node, NodeSelectorTerm, Pod, Toleration } from '../../../api/kinds.ts'
import { tolerates } from '../../../lib/taints.ts'
import { revisionLabel } from '../controller-history.ts'
import { matchesNode } from '../../../api/node-selector.ts'
import { podFromTemplate } from '../pod-state.ts'

const prefix = 'node.kubernetes.io'
/** Daemons stay on nodes in trouble: that is where they are needed. */
const tolerations: readonly Toleration[] = [
  { key: `${prefix}/not-ready`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${prefix}/unreachable`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${prefix}/disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}/memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}/pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${prefix}/unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
]
const networkToleration: Toleration = { key: `${prefix}/network-unavailable`, operator: 'Exists', effect: 'NoSchedule' }

const isSame = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key && a.effect === b.effect && a.operator === b.operator

function tolerationsOf(set: DaemonSet): Toleration[] {
  const own = set.spec?.template.spec?.tolerations ?? []
  const added = set.spec?.template.spec?.hostNetwork ? [...tolerations, networkToleration] : tolerations
  return [...own, ...added.filter((one) => !own.some((other) => isSame(one, other)))]
}

/** The daemon pod of one node: bound by the scheduler, which finds only this node allowed. */
export function daemonPod(set: DaemonSet, nodeName: string, revisionHash: string): Pod {
  const pod = podFromTemplate(set, set.spec!.template)
  pod.metadata.labels = { ...pod.metadata.labels, [revisionLabel]: revisionHash }
  if (set.spec?.template.metadata?.labels?.['pod-template-generation'] === undefined)
    pod.metadata.labels['pod-template-generation'] = String(templateGeneration(set))
  const spec = pod.spec!
  spec.tolerations = tolerationsOf(set)
  const nodeAffinity = spec.affinity?.nodeAffinity
  const onlyNode = [{ key: 'metadata.name', operator: 'In', values: [nodeName] }]
  const terms = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  spec.affinity = {
    ...spec.affinity,
    nodeAffinity: {
      ...nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms:
          terms.length > 0
            ? terms.map((term): NodeSelectorTerm => ({ ...term, matchFields: onlyNode }))
            : [{ matchFields: onlyNode }],
      },
    },
  }
  return pod
}

const templateGeneration = (set: DaemonSet): number =>
  Number(set.metadata.annotations?.['deprecated.daemonset.template.generation'] ?? set.metadata.generation ?? 1)

/** The node that a daemon pod is for, bound to it or not yet. */
export function targetNode(pod: Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  for (const term of terms ?? [])
    for (const field of term.matchFields ?? [])
      if (field.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1) return field.values[0]
  return undefined
}

/** Whether a daemon belongs on the node, and whether one that is there may stay. */
export function placementOn(set: DaemonSet, node: Node): { shouldRun: boolean; shouldContinue: boolean } {
  const spec = set.spec?.template.spec
  const named = !spec?.nodeName || spec.nodeName === node.metadata.name
  if (!named || !matchesNode(spec, node)) return { shouldRun: false, shouldContinue: false }
  const all = tolerationsOf(set)
  const refused = (node.spec?.taints ?? []).filter(
    (taint) => taint.effect !== 'PreferNoSchedule' && !all.some((one) => tolerates(one, taint)),
  )
  return { shouldRun: refused.length === 0, shouldContinue: !refused.some((taint) => taint.effect === 'NoExecute') }
}
