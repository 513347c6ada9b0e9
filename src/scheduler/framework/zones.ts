import { labelsOf } from './framework.ts'
import type { NodeInfo } from './node-info.ts'

/** Nodes in turn from each zone, so that looking at only some of them still looks into every zone. */
export function interleaveZones(nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  const zones = Map.groupBy(nodes, ({ node }) => {
    const labels = labelsOf(node)
    return `${labels['topology.kubernetes.io/region'] ?? ''}/${labels['topology.kubernetes.io/zone'] ?? ''}`
  })
  if (zones.size === 1) return nodes
  const result: NodeInfo[] = []
  const lists = [...zones.values()]
  for (let index = 0; result.length < nodes.length; index++)
    for (const list of lists) {
      const info = list[index]
      if (info) result.push(info)
    }
  return result
}
