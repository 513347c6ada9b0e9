import type { Node, Taint } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { View } from '../controller.ts'
import { timeMs } from './timestamp.ts'

/** From this share of nodes that are not ready on (and at least three) a zone counts as disrupted. */
const unhealthyShare = 0.55
const minUnhealthy = 3
/** Zones up to this size get no evictions at all while they are disrupted (--large-cluster-size-threshold). */
const smallZoneSize = 50
/** Nodes of one zone are emptied one after another: --node-eviction-rate 0.1 and --secondary-node-eviction-rate 0.01. */
const evictionIntervalMs = 10_000
const slowEvictionIntervalMs = 100_000

const zoneOf = (node: Node): string =>
  `${node.metadata.labels?.['topology.kubernetes.io/region'] ?? ''}:${node.metadata.labels?.['topology.kubernetes.io/zone'] ?? ''}`

const isReadyNode = (node: Node): boolean =>
  node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false

/** NoExecute taints that we put on nodes which are not ready. */
export const isOurEviction = (taint: Taint): boolean =>
  taint.effect === 'NoExecute' &&
  (taint.key === 'node.kubernetes.io/not-ready' || taint.key === 'node.kubernetes.io/unreachable')

/**
 * Milliseconds until a node that is not ready may be emptied, as upstream's node lifecycle controller has it: nodes of a
 * zone one after another; none when most of the zone is gone, for then it is rather we who are cut off. Infinity: not
 * until the zone changes.
 */
export function evictionWaitMs(node: Node, view: View, nowMs: number): number {
  const nodes = view.list<Node>(refs.nodes)
  const zones = Map.groupBy(nodes, zoneOf)
  const zone = zones.get(zoneOf(node)) ?? [node]
  const unready = zone.filter((one) => !isReadyNode(one) || one.metadata.name === node.metadata.name)
  let intervalMs = evictionIntervalMs
  if (unready.length === zone.length) {
    // Every zone is dark: nothing can be known, and nobody could take the pods.
    if ([...zones.values()].every((one) => !one.some(isReadyNode))) return Infinity
  } else if (unready.length >= minUnhealthy && unready.length / zone.length >= unhealthyShare) {
    if (zone.length <= smallZoneSize) return Infinity
    intervalMs = slowEvictionIntervalMs
  }
  const latestMs = Math.max(
    -Infinity,
    ...zone
      .filter((one) => one !== node)
      .flatMap((one) => one.spec?.taints ?? [])
      .filter(isOurEviction)
      .map((taint) => timeMs(taint.timeAdded) ?? -Infinity),
  )
  return Math.max(0, latestMs + intervalMs - nowMs)
}
