import type { HorizontalPodAutoscaler, HPAScalingRules, Pod } from '../../../api/kinds.ts'
import { isReady } from '../pod-state.ts'

/** What a pod uses now: `cpu` in milli-cores, `memory` in bytes; by container, and undefined while nothing is known. */
export type PodUsage = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Ratios this near to 1 change nothing (--horizontal-pod-autoscaler-tolerance). */
const defaultTolerance = 0.1

export interface Demand {
  /** What a pod's measured containers use, or undefined. */
  usageOf(pod: Pod): number | undefined
  /** What a pod should use: a share of its request, or an amount; undefined when it states no request. */
  targetOf(pod: Pod): number | undefined
}

export interface Recommendation {
  replicas: number
  /** Mean use a pod, and mean share of the target in percent, of the pods that were measured. */
  averageUsage: number
  utilization: number
}

/**
 * How many pods would each use their target (autoscaling/v2 Resource metrics). Pods that are not measured count as
 * using nothing when that speaks against growing, and as using their target when it speaks against shrinking.
 */
export function recommend(
  pods: readonly Pod[],
  current: number,
  demand: Demand,
  tolerance = { up: defaultTolerance, down: defaultTolerance },
): Recommendation | undefined {
  const counted = pods.filter((pod) => !pod.metadata.deletionTimestamp && pod.status?.phase !== 'Failed')
  let usage = 0
  let target = 0
  let measured = 0
  let unknownTarget = 0
  let unknown = 0
  for (const pod of counted) {
    const wanted = demand.targetOf(pod)
    if (wanted === undefined) return undefined
    const used = isReady(pod) ? demand.usageOf(pod) : undefined
    if (used === undefined) {
      unknown++
      unknownTarget += wanted
      continue
    }
    measured++
    usage += used
    target += wanted
  }
  if (measured === 0 || target === 0) return undefined
  const ratio = usage / target
  const averageUsage = usage / measured
  const isWithin = (one: number): boolean => one <= 1 + tolerance.up && one >= 1 - tolerance.down
  const made = (replicas: number): Recommendation => ({ replicas, averageUsage, utilization: ratio })
  if (unknown === 0) return made(isWithin(ratio) ? current : Math.ceil(ratio * measured))
  const cautious = ratio > 1 ? usage / (target + unknownTarget) : (usage + unknownTarget) / (target + unknownTarget)
  const turned = (ratio > 1 && cautious < 1) || (ratio < 1 && cautious > 1)
  if (isWithin(cautious) || turned) return made(current)
  const replicas = Math.ceil(cautious * counted.length)
  return made((cautious < 1 && replicas > current) || (cautious > 1 && replicas < current) ? current : replicas)
}

/** What was recommended and done lately, by which stabilization and the policies go. Newest last. */
export interface History {
  recommendations: { atMs: number; replicas: number }[]
  /** Changes of the size, positive up. */
  changes: { atMs: number; by: number }[]
}

const defaultUp: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
const defaultDown: HPAScalingRules = {
  stabilizationWindowSeconds: 300,
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
}

/** Windows longer than this are not kept (validation allows an hour). */
const maxWindowMs = 3_600_000

/** Forgets what no window reaches back to. */
export function prune(history: History, nowMs: number): History {
  const recent = (one: { atMs: number }): boolean => one.atMs > nowMs - maxWindowMs
  return { recommendations: history.recommendations.filter(recent), changes: history.changes.filter(recent) }
}

/** The wanted size within the windows, the policies and the bounds, and which of them held it back. */
export function limit(
  { spec }: HorizontalPodAutoscaler,
  current: number,
  wanted: number,
  history: History,
  nowMs: number,
): { replicas: number; limitedBy?: { reason: string; message: string } } {
  const up = { ...defaultUp, ...spec.behavior?.scaleUp }
  const down = { ...defaultDown, ...spec.behavior?.scaleDown }
  const within = (rules: HPAScalingRules): number[] =>
    history.recommendations
      .filter((one) => one.atMs >= nowMs - (rules.stabilizationWindowSeconds ?? 0) * 1000)
      .map((one) => one.replicas)
  const lowest = Math.min(wanted, ...within(up))
  const highest = Math.max(wanted, ...within(down))
  const stable = Math.min(Math.max(current, lowest), highest)
  const min = spec.minReplicas ?? 1
  const max = spec.maxReplicas
  if (stable > current) {
    const most = Math.max(current, reach(up, current, history, nowMs, 1))
    if (stable > Math.min(most, max))
      return max <= most
        ? { replicas: max, limitedBy: tooMany }
        : { replicas: most, limitedBy: { reason: 'ScaleUpLimit', message: rateMessage('increasing') } }
    return stable < min ? { replicas: min, limitedBy: tooFew } : { replicas: stable }
  }
  if (stable < current) {
    const least = Math.min(current, reach(down, current, history, nowMs, -1))
    if (stable < Math.max(least, min))
      return min >= least
        ? { replicas: min, limitedBy: tooFew }
        : { replicas: least, limitedBy: { reason: 'ScaleDownLimit', message: rateMessage('decreasing') } }
  }
  if (stable > max) return { replicas: max, limitedBy: tooMany }
  if (stable < min) return { replicas: min, limitedBy: tooFew }
  return { replicas: stable }
}

const tooMany = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
}
const tooFew = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' }
const rateMessage = (way: string): string => `the desired replica count is ${way} faster than the maximum scale rate`

/** How far the policies let the size go in one direction, counted from where it was at the start of each period. */
function reach(rules: HPAScalingRules, current: number, history: History, nowMs: number, sign: 1 | -1): number {
  if (rules.selectPolicy === 'Disabled') return current
  const reached = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const done = history.changes
      .filter((one) => one.atMs > nowMs - periodSeconds * 1000 && Math.sign(one.by) === sign)
      .reduce((sum, one) => sum + one.by, 0)
    const start = current - done
    if (type === 'Pods') return start + sign * value
    return sign > 0 ? Math.ceil(start * (1 + value / 100)) : Math.floor(start * (1 - value / 100))
  })
  const farthest = rules.selectPolicy === 'Min' ? -sign : sign
  return farthest > 0 ? Math.max(...reached) : Math.min(...reached)
}
