import type { Pod, PodDisruptionBudget } from '../api/kinds.ts'
import { labelSelectorRequirements, matchesLabels } from '../lib/selector.ts'
import type { Cluster } from './framework/cluster.ts'
import { explain } from './framework/explain.ts'
import type { Profile } from './framework/framework.ts'
import type { NodeInfo } from './framework/node-info.ts'
import { type PodInfo, podInfoOf } from './framework/pod-info.ts'

/** One pod to evict, and where the scheduler would put the one that replaces it. */
export interface Move {
  readonly pod: Pod
  readonly from: string
  readonly to: string
}

export interface RebalanceOptions {
  readonly profile: Profile
  /** The most moves of one plan. */
  readonly maxMoves: number
  /** Also pods whose emptyDir data would be lost. */
  readonly movesLocalData?: boolean
}

/** Share of a node (of 1) that a move must free; less is not worth a restart. */
const minGain = 0.01

/**
 * Which pods to evict so that nodes that came back, or are new, take their part again. A pod moves when the scheduler
 * would put it elsewhere now and there it does not make a node fuller than the one that it leaves; each pod at most once, from the
 * fullest nodes first, and none whose disruption budget allows nobody to go. Moves are meant to be made one after the
 * other, each once what replaces the one before is ready: then a budget that allows one allows the next. Alters
 * `cluster` to what it will be.
 */
export function planRebalance(cluster: Cluster, options: RebalanceOptions): Move[] {
  const moves: Move[] = []
  const mayGo = permissionOf(cluster.disruptionBudgets())
  const settled = new Set<string>()
  const next = (): Move | undefined => {
    const byLoad = cluster.nodes.toSorted((a, b) => loadOf(b) - loadOf(a) || (a.name < b.name ? -1 : 1))
    const lowest = byLoad.length > 0 ? loadOf(byLoad.at(-1)!) : 0
    for (const node of byLoad) {
      if (loadOf(node) - lowest < minGain) return undefined
      for (const pod of [...node.pods.values()].toSorted(byCost)) {
        if (settled.has(pod.uid) || !isMovable(pod.pod, options) || !mayGo(pod.pod)) continue
        const to = betterNode(cluster, node, pod, options.profile)
        // What has found no better place finds none once others have moved towards it, either.
        if (to === undefined) {
          settled.add(pod.uid)
          continue
        }
        return { pod: pod.pod, from: node.name, to }
      }
    }
    return undefined
  }
  for (let move = next(); move && moves.length < options.maxMoves; move = next()) {
    moves.push(move)
    settled.add(move.pod.metadata.uid ?? '')
    cluster.place({ ...move.pod, spec: { ...move.pod.spec!, nodeName: move.to } }, move.to)
  }
  return moves
}

/** How full a node is, 0…1 and beyond: by what it is fullest of, as the scores see it. */
function loadOf(node: NodeInfo): number {
  return Math.max(
    share(node.nonZeroCpu, node.allocatableCpu),
    share(node.nonZeroMemory, node.allocatableMemory),
    share(node.pods.size, node.maxPods),
  )
}

const share = (used: number, all: number): number => (all > 0 ? used / all : used > 0 ? 1 : 0)

/** Less important first, then the youngest: they lose least by a restart. */
const byCost = (a: PodInfo, b: PodInfo): number =>
  a.priority - b.priority ||
  (b.pod.metadata.creationTimestamp ?? '').localeCompare(a.pod.metadata.creationTimestamp ?? '') ||
  (a.uid < b.uid ? -1 : 1)

/** Controllers that make the same pod anew anywhere. */
const remakers = new Set(['ReplicaSet', 'ReplicationController', 'StatefulSet'])

function isMovable({ metadata, spec, status }: Pod, { movesLocalData }: RebalanceOptions): boolean {
  const controller = metadata.ownerReferences?.find((one) => one.controller)
  if (!controller || !remakers.has(controller.kind) || metadata.deletionTimestamp) return false
  if (metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return false
  // One that is not ready is on its way already, or in trouble that a move does not mend.
  if (status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True') return false
  return movesLocalData === true || !spec?.volumes?.some(({ emptyDir, hostPath }) => emptyDir ?? hostPath)
}

/** Where the scheduler would put the pod if it came now, when that is elsewhere and evens out both nodes. */
function betterNode(cluster: Cluster, from: NodeInfo, pod: PodInfo, profile: Profile): string | undefined {
  const before = loadOf(from)
  cluster.remove(pod.uid)
  try {
    const { nodeName: _, ...spec } = pod.pod.spec!
    const { chosen } = explain(podInfoOf({ ...pod.pod, spec }), cluster, profile)
    const target = chosen === undefined || chosen === from.name ? undefined : cluster.node(chosen)
    if (!target) return undefined
    cluster.place(pod.pod, target.name)
    // Sums of many shares differ in their last digits.
    const isEven = loadOf(target) <= loadOf(from) + 1e-9
    return isEven && before - loadOf(from) >= minGain ? target.name : undefined
  } finally {
    cluster.place(pod.pod, from.name)
  }
}

/** Which pods the disruption budgets let go one by one. A pod of several budgets needs all of them. */
function permissionOf(budgets: readonly PodDisruptionBudget[]): (pod: Pod) => boolean {
  const closed = budgets
    .filter(({ status }) => (status?.disruptionsAllowed ?? 0) <= 0)
    .map(({ metadata, spec }) => ({
      namespace: metadata.namespace,
      requirements: labelSelectorRequirements(spec?.selector),
    }))
  return ({ metadata }) =>
    !closed.some(
      ({ namespace, requirements }) =>
        namespace === metadata.namespace && requirements && matchesLabels(requirements, metadata.labels ?? {}),
    )
}
