import type { RuntimeContainer } from '../../runtime/runtime.ts'
import type { AnyContainer, ContainerKind, CrashBackoff } from './pod-view.ts'

/** First and longest wait between restarts of a container that keeps ending (upstream backOffPeriod, MaxContainerBackOff). */
export const initialBackoffMs = 10_000
export const maxBackoffMs = 300_000

/**
 * Whether an instance that has ended is started again: the container's own rules by exit code (KEP-5307), else its own
 * policy, else the pod's.
 */
export function shouldRestart(
  podPolicy: string,
  kind: ContainerKind,
  container: AnyContainer,
  ended: RuntimeContainer,
): boolean {
  if (kind === 'sidecar') return true
  if (kind === 'ephemeral') return false
  const exitCode = exitCodeOf(ended)
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? []
    const matches = rule.exitCodes?.operator === 'NotIn' ? !values.includes(exitCode) : values.includes(exitCode)
    if (rule.exitCodes !== undefined && matches && rule.action === 'Restart') return true
  }
  const policy = container.restartPolicy ?? podPolicy
  if (policy === 'Never') return false
  // An init container's work is done when it succeeds, whatever the policy.
  if (policy === 'OnFailure' || kind === 'init') return exitCode !== 0
  return true
}

/** A container that could not be started has exit code 128 towards users, as containerd says it. */
export function exitCodeOf(instance: RuntimeContainer): number {
  return instance.startedAtMs === 0 && instance.state === 'exited' ? 128 : instance.exitCode
}

/** Milliseconds until the container may start again; 0 when it may now. */
export function backoffRemainingMs(backoff: CrashBackoff | undefined, endedAtMs: number, nowMs: number): number {
  if (backoff === undefined || hasExpired(backoff, endedAtMs)) return 0
  // A wall clock that was set back must not prolong the wait beyond its period.
  return Math.min(backoff.delayMs, Math.max(0, endedAtMs + backoff.delayMs - nowMs))
}

/** The wait that follows this restart: doubled, or the first one again after ten minutes of health. */
export function nextBackoff(backoff: CrashBackoff | undefined, endedAtMs: number, nowMs: number): CrashBackoff {
  const delayMs =
    backoff === undefined || hasExpired(backoff, endedAtMs)
      ? initialBackoffMs
      : Math.min(backoff.delayMs * 2, maxBackoffMs)
  return { delayMs, updatedAtMs: nowMs }
}

const hasExpired = (backoff: CrashBackoff, endedAtMs: number): boolean =>
  endedAtMs - backoff.updatedAtMs > 2 * maxBackoffMs

/** Go's notation of a whole number of seconds: `10s`, `2m40s`, `5m0s`. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
