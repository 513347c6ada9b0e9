import type { Pod } from '../../api/kinds.ts'
import { type FilterPlugin, maxScore, type ScorePlugin } from '../framework/framework.ts'
import { defaultCpuMilli, defaultMemoryBytes, podRequests, type Resources } from '../framework/resources.ts'

const defaultMaxPods = 110

/** Refuses a node whose allocatable resources do not hold the pod's requests (NodeResourcesFit). */
export const nodeResourcesFit: FilterPlugin<Resources> = {
  name: 'NodeResourcesFit',
  prepare: podRequests,
  filter(_pod, info, requests) {
    const maxPods = info.allocatable.get('pods') ?? defaultMaxPods
    if (info.pods.size + 1 > maxPods) return { reason: 'Too many pods', forGood: false }
    for (const [name, amount] of requests) {
      if (amount === 0) continue
      const allocatable = info.allocatable.get(name) ?? 0
      if (amount > allocatable - (info.requested.get(name) ?? 0))
        return { reason: `Insufficient ${name}`, forGood: amount > allocatable }
    }
    return undefined
  },
}

interface Asked {
  cpu: number
  memory: number
}

const askedOf = (pod: Pod): Asked => {
  const requests = podRequests(pod)
  return { cpu: requests.get('cpu') || defaultCpuMilli, memory: requests.get('memory') || defaultMemoryBytes }
}

const freeShare = (used: number, allocatable: number): number =>
  allocatable === 0 || used > allocatable ? 0 : ((allocatable - used) * maxScore) / allocatable

/** Prefers nodes with the most left after the pod (NodeResourcesFit, LeastAllocated). */
export const leastAllocated: ScorePlugin<Asked> = {
  name: 'NodeResourcesFit',
  weight: 1,
  prepare: askedOf,
  score(_pod, info, asked) {
    const cpu = freeShare(info.nonZeroRequested.cpu + asked.cpu, info.allocatable.get('cpu') ?? 0)
    const memory = freeShare(info.nonZeroRequested.memory + asked.memory, info.allocatable.get('memory') ?? 0)
    return Math.floor((cpu + memory) / 2)
  },
}

/** Prefers nodes where cpu and memory would be used to like shares (NodeResourcesBalancedAllocation). */
export const balancedAllocation: ScorePlugin<Asked> = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  prepare: askedOf,
  score(_pod, info, asked) {
    const cpu = Math.min(1, (info.nonZeroRequested.cpu + asked.cpu) / (info.allocatable.get('cpu') || 1))
    const memory = Math.min(1, (info.nonZeroRequested.memory + asked.memory) / (info.allocatable.get('memory') || 1))
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxScore)
  },
}
