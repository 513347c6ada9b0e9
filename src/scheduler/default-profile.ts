import type { FilterPlugin, Profile, WeightedScore } from './framework/framework.ts'
import { imageLocality } from './plugins/image-locality.ts'
import { interPodAffinity, podPreference } from './plugins/inter-pod-affinity.ts'
import { interPodInterference } from './plugins/inter-pod-interference.ts'
import { nodeAffinity, nodePreference } from './plugins/node-affinity.ts'
import { nodeName, nodePorts, nodeUnschedulable, taintPreference, taintToleration } from './plugins/node-conditions.ts'
import { nodeResourcesFit } from './plugins/node-resources-fit.ts'
import {
  balancedAllocation,
  cpuAndMemory,
  resourceScore,
  type ScoringStrategy,
} from './plugins/node-resources-scores.ts'
import { spreadPreference } from './plugins/pod-topology-spread-score.ts'
import { podTopologySpread } from './plugins/pod-topology-spread.ts'
import { volumeBinding } from './plugins/volume-binding.ts'
import { nodeVolumeLimits, volumeRestrictions, volumeZone } from './plugins/volume-limits.ts'

/** What may be said of a profile besides its name (the parts of KubeSchedulerConfiguration that make sense here). */
export interface ProfileOptions {
  /** How full nodes are to be scored; LeastAllocated by cpu and memory when absent. */
  readonly scoringStrategy?: ScoringStrategy
  /** Plugins that are left out, by name. */
  readonly disabled?: readonly string[]
  /** Weights of score plugins that are not to have their own, by name. */
  readonly weights?: Readonly<Record<string, number>>
  /** 1…100; 0 or absent adapts to the number of nodes. */
  readonly percentageOfNodesToScore?: number
}

/** In upstream's order: the cheap ones that refuse most come first. */
const filters: readonly FilterPlugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  nodeVolumeLimits,
  volumeBinding,
  volumeZone,
  podTopologySpread,
  interPodAffinity,
]

/** A profile with upstream's plugins and weights, and InterPodInterference. */
export function createProfile(name: string, options: ProfileOptions = {}): Profile {
  const strategy = options.scoringStrategy ?? { type: 'LeastAllocated', resources: cpuAndMemory }
  const scores: readonly WeightedScore[] = [
    { plugin: taintPreference, weight: 3 },
    { plugin: nodePreference, weight: 2 },
    { plugin: resourceScore(strategy), weight: 1 },
    { plugin: spreadPreference, weight: 2 },
    { plugin: podPreference, weight: 2 },
    { plugin: balancedAllocation, weight: 1 },
    { plugin: imageLocality, weight: 1 },
    { plugin: interPodInterference, weight: 1 },
  ]
  const isOn = (plugin: string): boolean => !options.disabled?.includes(plugin)
  return {
    name,
    filters: filters.filter((plugin) => isOn(plugin.name)),
    scores: scores
      .filter(({ plugin }) => isOn(plugin.name))
      .map(({ plugin, weight }) => ({ plugin, weight: options.weights?.[plugin.name] ?? weight })),
    percentageOfNodesToScore: options.percentageOfNodesToScore ?? 0,
    preemption: isOn('DefaultPreemption'),
  }
}

/** What `schedulerName: default-scheduler` means. */
export const defaultProfile: Profile = createProfile('default-scheduler')
