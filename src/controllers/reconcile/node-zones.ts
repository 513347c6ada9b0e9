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

/** What is known of a zone, whichever of its nodes is asked about. */
interface Zone {
  size: number
  readonly unready: Set<string>
  /** Nodes that we empty, and since when. */
  readonly emptiedMs: Map<string, number>
}

/** The zones of all nodes. Remembered from one node's plan to the next, until a node changes. */
export interface NodeZones {
  changed(): void
  /**
   * Milliseconds until a node that is not ready may be emptied, as upstream's node lifecycle controller has it: nodes of
   * a zone one after another; none when most of the zone is gone, for then it is rather we who are cut off. Infinity:
   * not until the zone changes.
   */
  evictionWaitMs(node: Node, view: View, nowMs: number): number
}

export function createNodeZones(): NodeZones {
  let known: ReadonlyMap<string, Zone> | undefined
  return {
    changed: () => void (known = undefined),
    evictionWaitMs(node, view, nowMs) {
      known ??= zonesOf(view.list<Node>(refs.nodes))
      return waitMs(node, known, nowMs)
    },
  }
}

function zonesOf(nodes: readonly Node[]): Map<string, Zone> {
  const zones = new Map<string, Zone>()
  for (const node of nodes) {
    const zone = zones.get(zoneOf(node)) ?? { size: 0, unready: new Set(), emptiedMs: new Map() }
    zones.set(zoneOf(node), zone)
    zone.size++
    const { name = '' } = node.metadata
    if (!isReadyNode(node)) zone.unready.add(name)
    const times = (node.spec?.taints ?? []).filter(isOurEviction).map((taint) => timeMs(taint.timeAdded) ?? -Infinity)
    if (times.length > 0) zone.emptiedMs.set(name, Math.max(...times))
  }
  return zones
}

function waitMs(node: Node, zones: ReadonlyMap<string, Zone>, nowMs: number): number {
  const { name = '' } = node.metadata
  const zone = zones.get(zoneOf(node))
  if (!zone) return 0
  // The node itself is about to be written as not ready.
  const unready = zone.unready.size + (zone.unready.has(name) ? 0 : 1)
  let intervalMs = evictionIntervalMs
  if (unready === zone.size) {
    // Every zone is dark: nothing can be known, and nobody could take the pods.
    if ([...zones.values()].every((one) => one.unready.size === one.size || one === zone)) return Infinity
  } else if (unready >= minUnhealthy && unready / zone.size >= unhealthyShare) {
    if (zone.size <= smallZoneSize) return Infinity
    intervalMs = slowEvictionIntervalMs
  }
  let latestMs = -Infinity
  for (const [other, sinceMs] of zone.emptiedMs) if (other !== name) latestMs = Math.max(latestMs, sinceMs)
  return Math.max(0, latestMs + intervalMs - nowMs)
}
