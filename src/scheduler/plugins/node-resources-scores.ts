import { maxScore, type ScorePlugin } from '../framework/framework.ts'
import type { NodeInfo } from '../framework/node-info.ts'
import type { PodInfo } from '../framework/pod-info.ts'

export interface ResourceWeight {
  readonly name: string
  readonly weight: number
}

/** A point of the curve that turns utilization (percent) into a score (0…10). */
export interface ShapePoint {
  readonly utilization: number
  readonly score: number
}

/** How NodeResourcesFit scores (upstream's ScoringStrategy). */
export type ScoringStrategy =
  | { readonly type: 'LeastAllocated' | 'MostAllocated'; readonly resources: readonly ResourceWeight[] }
  | {
      readonly type: 'RequestedToCapacityRatio'
      readonly resources: readonly ResourceWeight[]
      readonly shape: readonly ShapePoint[]
    }

export const cpuAndMemory: readonly ResourceWeight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]

/** Requested on the node, the pod included; cpu and memory of pods that ask for none count as upstream's defaults. */
function usedWith(name: string, pod: PodInfo, node: NodeInfo): number {
  if (name === 'cpu') return node.nonZeroCpu + pod.nonZeroCpu
  if (name === 'memory') return node.nonZeroMemory + pod.nonZeroMemory
  return (node.requestedOthers.get(name) ?? 0) + (pod.requests.get(name) ?? 0)
}

const allocatableOf = (name: string, node: NodeInfo): number =>
  name === 'cpu' ? node.allocatableCpu : name === 'memory' ? node.allocatableMemory : (node.allocatable.get(name) ?? 0)

const isExtended = (name: string): boolean => name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage'

/** Scores nodes by how full the pod would make them. */
export function resourceScore(strategy: ScoringStrategy): ScorePlugin<readonly ResourceWeight[]> {
  const scoreOf = scorerOf(strategy)
  return {
    name: 'NodeResourcesFit',
    isLocal: true,
    // An extended resource that the pod does not ask for tells nothing.
    prepare: (pod) => strategy.resources.filter(({ name }) => !isExtended(name) || pod.requests.has(name)),
    score(pod, node, resources) {
      let sum = 0
      let weights = 0
      for (const { name, weight } of resources) {
        const allocatable = allocatableOf(name, node)
        if (allocatable === 0) continue
        const score = scoreOf(usedWith(name, pod, node), allocatable)
        // A score of nothing is left out of the mean there, in the manner of upstream.
        if (strategy.type === 'RequestedToCapacityRatio' && score <= 0) continue
        sum += score * weight
        weights += weight
      }
      if (weights === 0) return 0
      return strategy.type === 'RequestedToCapacityRatio' ? Math.round(sum / weights) : Math.floor(sum / weights)
    },
  }
}

function scorerOf(strategy: ScoringStrategy): (used: number, allocatable: number) => number {
  switch (strategy.type) {
    case 'LeastAllocated':
      return (used, all) => (used > all ? 0 : Math.floor(((all - used) * maxScore) / all))
    case 'MostAllocated':
      return (used, all) => Math.floor((Math.min(used, all) * maxScore) / all)
    case 'RequestedToCapacityRatio': {
      const { shape } = strategy
      return (used, all) => onCurve(shape, used > all ? maxScore : Math.floor((used * maxScore) / all))
    }
  }
}

/** The score (0…100) at a utilization: straight lines between points, flat before the first and after the last. */
export function onCurve(shape: readonly ShapePoint[], utilization: number): number {
  const scaled = (score: number): number => score * 10
  for (const [index, point] of shape.entries()) {
    if (utilization > point.utilization) continue
    const before = shape[index - 1]
    if (!before) return scaled(point.score)
    const share = (utilization - before.utilization) / (point.utilization - before.utilization)
    return Math.trunc(scaled(before.score) + share * (scaled(point.score) - scaled(before.score)))
  }
  return scaled(shape.at(-1)?.score ?? 0)
}

/** Prefers nodes where the resources would be used to like shares: 100 less their standard deviation. */
export const balancedAllocation: ScorePlugin<true> = {
  name: 'NodeResourcesBalancedAllocation',
  isLocal: true,
  prepare: ({ requests }) => (requests.has('cpu') || requests.has('memory') ? true : undefined),
  score(pod, node) {
    const { allocatableCpu, allocatableMemory } = node
    if (allocatableCpu === 0 || allocatableMemory === 0) return maxScore
    const cpu = Math.min(1, (node.requestedCpu + pod.cpu) / allocatableCpu)
    const memory = Math.min(1, (node.requestedMemory + pod.memory) / allocatableMemory)
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxScore)
  },
}
