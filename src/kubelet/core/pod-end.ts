import type { Pod } from '../../api/kinds.ts'
import { isTerminalPhase, type PodStop } from './pod-view.ts'

const defaultGraceSeconds = 30

/** How long the pod's containers are given, unless somebody says otherwise. */
export const podGraceMs = (pod: Pod): number => (pod.spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000

/** When the pod has run for as long as it may (activeDeadlineSeconds); undefined: for ever. */
export function activeDeadlineMs(pod: Pod): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds
  const start = pod.status?.startTime
  return seconds === undefined || start === undefined ? undefined : Date.parse(start) + seconds * 1000
}

/** The end that the pod's object asks for at this time, if any. `gone`: the object exists no more. */
export function wantedStop(
  pod: Pod,
  gone: boolean,
  current: PodStop | undefined,
  nowMs: number,
): Omit<PodStop, 'finished'> | undefined {
  if (gone) {
    // Removed without a grace period of its own: as upstream, one second.
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 1) * 1000
    return { atMs: nowMs, graceMs: Math.min(graceMs, 1_000) }
  }
  if (pod.metadata.deletionTimestamp) {
    const seconds = pod.metadata.deletionGracePeriodSeconds
    return { atMs: nowMs, graceMs: seconds === undefined ? podGraceMs(pod) : seconds * 1000 }
  }
  const deadlineMs = activeDeadlineMs(pod)
  if (current !== undefined || deadlineMs === undefined || nowMs < deadlineMs || isTerminalPhase(pod.status?.phase)) {
    return undefined
  }
  const message = 'Pod was active on the node longer than the specified deadline'
  return { atMs: nowMs, graceMs: podGraceMs(pod), failure: { reason: 'DeadlineExceeded', message } }
}

/** A later end counts only when it is nearer than what is left of the one under way. */
export const isSooner = (wanted: Omit<PodStop, 'finished'>, current: PodStop | undefined, nowMs: number): boolean =>
  current === undefined || wanted.graceMs < current.graceMs - (nowMs - current.atMs)
