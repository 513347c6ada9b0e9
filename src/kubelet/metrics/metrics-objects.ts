import type { Node, Pod } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { formatPressure, pressureAnnotation } from '../../scheduler/plugins/inter-pod-interference.ts'
import type { ResourceUse, Summary } from '../serve/stats-summary.ts'
import { metricsGroup, metricsVersion } from './metrics-kinds.ts'
import { pressureProfile, type NodeRoom } from './pressure-profile.ts'

const apiVersion = `${metricsGroup}/${metricsVersion}`

/** Over which use is averaged: what metrics-server says of the kubelet's own figures. */
const window = '10s'

const usage = ({ cpu, memory }: ResourceUse): Record<string, string> => ({
  cpu: `${cpu.usageNanoCores}n`,
  memory: `${Math.round(memory.workingSetBytes / 1024)}Ki`,
})

/** What one node uses, as metrics-server would say it. Pure. */
export function nodeMetrics(node: Node, summary: Summary): KubeObject {
  const timestamp = summary.node.cpu.time
  return {
    apiVersion,
    kind: 'NodeMetrics',
    metadata: { name: node.metadata.name, labels: node.metadata.labels, creationTimestamp: timestamp },
    timestamp,
    window,
    usage: usage(summary.node),
  } as KubeObject
}

/**
 * What the pods of one node use, and in an annotation what they strain of it; those of other namespaces and those that
 * the API no longer knows are left out. Pure.
 */
export function podMetrics(
  summary: Summary,
  room: NodeRoom,
  podOf: (namespace: string, name: string) => Pod | undefined,
): KubeObject[] {
  return summary.pods.flatMap((stats) => {
    const { name, namespace, uid } = stats.podRef
    const pod = podOf(namespace, name)
    if (pod?.metadata.uid !== uid || stats.containers.length === 0) return []
    const timestamp = stats.cpu.time
    const annotations = { [pressureAnnotation]: formatPressure(pressureProfile(stats, room)) }
    return [
      {
        apiVersion,
        kind: 'PodMetrics',
        metadata: { name, namespace, labels: pod.metadata.labels, annotations, creationTimestamp: timestamp },
        timestamp,
        window,
        containers: stats.containers.map((one) => ({ name: one.name, usage: usage(one) })),
      } as KubeObject,
    ]
  })
}
