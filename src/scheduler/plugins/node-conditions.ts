import type { Pod, Taint } from '../../api/kinds.ts'
import { tolerates } from '../../lib/taints.ts'
import { type FilterPlugin, normalizeScores, type ScorePlugin } from '../framework/framework.ts'
import { type HostPort, hostPortsOf } from '../framework/node-info.ts'

const unschedulableKey = 'node.kubernetes.io/unschedulable'

const isTolerated = (pod: Pod, taint: Taint): boolean =>
  (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint))

/** Refuses cordoned nodes, unless the pod tolerates their taint (NodeUnschedulable). */
export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  filter(pod, info) {
    if (!info.node.spec?.unschedulable || isTolerated(pod, { key: unschedulableKey, effect: 'NoSchedule' }))
      return undefined
    return { reason: 'node(s) were unschedulable', forGood: true }
  },
}

/** A pod that names its node goes there or nowhere (NodeName). */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  filter(pod, info) {
    const wanted = pod.spec?.nodeName
    return !wanted || wanted === info.node.metadata.name
      ? undefined
      : { reason: "node(s) didn't match the requested node name", forGood: true }
  },
}

/** Refuses nodes with a NoSchedule or NoExecute taint that the pod does not tolerate (TaintToleration). */
export const taintToleration: FilterPlugin = {
  name: 'TaintToleration',
  filter(pod, info) {
    const taint = info.node.spec?.taints?.find((one) => one.effect !== 'PreferNoSchedule' && !isTolerated(pod, one))
    return taint
      ? { reason: `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`, forGood: true }
      : undefined
  },
}

/** Prefers nodes with fewer PreferNoSchedule taints that the pod does not tolerate. */
export const taintPreference: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  score: (pod, info) =>
    (info.node.spec?.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(pod, taint))
      .length,
  normalize: (scores) => normalizeScores(scores, true),
}

/** Refuses nodes where a host port that the pod asks for is taken (NodePorts). */
export const nodePorts: FilterPlugin<HostPort[]> = {
  name: 'NodePorts',
  prepare: hostPortsOf,
  filter(_pod, info, wanted) {
    if (wanted.length === 0 || info.hostPorts.size === 0) return undefined
    for (const taken of info.hostPorts.values()) {
      const clashes = wanted.some(
        (one) =>
          one.port === taken.port &&
          one.protocol === taken.protocol &&
          (one.ip === taken.ip || one.ip === '0.0.0.0' || taken.ip === '0.0.0.0'),
      )
      if (clashes) return { reason: "node(s) didn't have free ports for the requested pod ports", forGood: false }
    }
    return undefined
  },
}
