import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  StorageClass,
} from '../../api/kinds.ts'
import type { Labels, PodMatcher } from './affinity-term.ts'
import type { ClusterEvent } from './cluster-event.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodCounts, PodQuery } from './pod-index.ts'
import type { PodInfo } from './pod-info.ts'
import type { RefusalTables } from './refusal-table.ts'
import type { TermIndex } from './term-index.ts'

/** How much of each thing a pod strains (cpu, memory, io…), each 0…1. */
export type Pressure = Readonly<Record<string, number>>

/** Storage, as far as placing a pod depends on it. */
export interface VolumeLister {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
  volumesOfClass(storageClass: string): readonly PersistentVolume[]
  storageClass(name: string): StorageClass | undefined
  csiNode(name: string): CSINode | undefined
  csiDriver(name: string): CSIDriver | undefined
  /** What a driver says it has room for, by class. */
  storageCapacities(storageClass: string): readonly CSIStorageCapacity[]
  /** The claim (`namespace/name`) that a volume was promised to and that is not written down yet. */
  promisedTo(volume: string): string | undefined
}

/** What is around the nodes: everything else that plugins look up. */
export interface Surroundings {
  namespaceLabels(namespace: string): Labels
  readonly volumes: VolumeLister
  /** Chooses the pods of the same services and controller as this one; undefined when there are none. */
  siblings(pod: Pod): PodMatcher | undefined
  disruptionBudgets(): readonly PodDisruptionBudget[]
  /** What the pod was measured or declared to strain. */
  pressureOf(pod: Pod): Pressure | undefined
}

/** The terms of placed pods, by kind. */
export interface TermIndices {
  readonly required: TermIndex
  readonly requiredAnti: TermIndex
  readonly preferred: TermIndex
  readonly preferredAnti: TermIndex
}

export interface ImageState {
  readonly sizeBytes: number
  readonly nodeCount: number
}

/** What plugins may look at: every node with its pods, as one consistent picture, and what was counted beforehand. */
export interface Snapshot extends Surroundings {
  /** In turn from each zone, so that any stretch of the list is spread over zones. */
  readonly nodes: readonly NodeInfo[]
  node(name: string): NodeInfo | undefined
  podCounts(query: PodQuery): PodCounts
  readonly terms: TermIndices
  readonly refusalTables: RefusalTables
  /** How many nodes carry each value of a label. */
  topologyValues(key: string): ReadonlyMap<string, number>
  nodesWithLabel(key: string): number
  image(name: string): ImageState | undefined
  /** Pods that were promised room on the node and wait for it to come free. */
  nominated(nodeName: string): readonly PodInfo[]
  /** How many placed pods mount the claim, `namespace/name`. */
  claimUsers(claim: string): number
}

/** Why a node was refused, in the words of upstream's events. */
export interface Refusal {
  readonly reasons: readonly string[]
  /** Removing pods from the node would not help (UnschedulableAndUnresolvable). */
  readonly forGood: boolean
}

/**
 * What a filter found out about the pod: that it has nothing to say (`skip`), that no node will do (`refusal`), or a
 * state for `filter`, perhaps with the only nodes worth a look.
 */
export type Prepared<State> =
  | 'skip'
  | { readonly refusal: Refusal }
  | { readonly state: State; readonly nodeNames?: ReadonlySet<string> }

/** Pure. `prepare` runs once an attempt, `filter` once a node. */
export interface FilterPlugin<State = unknown> {
  readonly name: string
  /** Looks at nothing but the node, its pods and what PodInfo.kind holds: its answer stands until the node changes. */
  readonly isLocal?: boolean
  prepare(pod: PodInfo, snapshot: Snapshot): Prepared<State>
  filter(pod: PodInfo, node: NodeInfo, state: State): Refusal | undefined
  /**
   * Alters `state` as though `other` had come to (1) or gone from (-1) `node`. A shift and its reverse leave it as it
   * was; between them only one node is shifted.
   */
  shift?(state: State, pod: PodInfo, other: PodInfo, node: NodeInfo, sign: 1 | -1): void
  /** Whether the event may make the plugin accept a pod that it refused before. */
  mayHelp(pod: PodInfo, event: ClusterEvent): boolean
}

/** Pure. `prepare` returns `undefined` when all nodes are alike to it: then it is left out. */
export interface ScorePlugin<State = unknown> {
  readonly name: string
  /** As of filters; such a score has no `normalize`. */
  readonly isLocal?: boolean
  prepare(pod: PodInfo, snapshot: Snapshot, feasible: readonly NodeInfo[]): State | undefined
  /** Any finite number; `normalize` brings the scores of all nodes to 0…100. */
  score(pod: PodInfo, node: NodeInfo, state: State): number
  normalize?(scores: number[], state: State, feasible: readonly NodeInfo[]): number[]
}

export interface WeightedScore {
  readonly plugin: ScorePlugin
  readonly weight: number
}

/** What one `schedulerName` means. */
export interface Profile {
  readonly name: string
  readonly filters: readonly FilterPlugin[]
  readonly scores: readonly WeightedScore[]
  /** Share of nodes to find fitting before scoring; 0 adapts it to the number of nodes. */
  readonly percentageOfNodesToScore: number
  readonly preemption: boolean
}

export const maxScore = 100

/** Highest raw score becomes 100, the others in proportion; with `reverse` the lowest raw score is the best. */
export function normalizeScores(scores: readonly number[], reverse = false): number[] {
  let most = 0
  for (const score of scores) if (score > most) most = score
  if (most === 0) return scores.map(() => (reverse ? maxScore : 0))
  return scores.map((score) => {
    const share = Math.floor((score * maxScore) / most)
    return reverse ? maxScore - share : share
  })
}

export const refuse = (reason: string, forGood = false): Refusal => ({ reasons: [reason], forGood })

export const labelsOf = (node: Node): Labels => node.metadata.labels ?? noLabels
const noLabels: Labels = {}
