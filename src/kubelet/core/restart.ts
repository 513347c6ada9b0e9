import type { ContainerRestartRule } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import {
  containersOf,
  instancesOf,
  type AnyContainer,
  type ContainerKind,
  type CrashBackoff,
  type PodView,
} from './pod-view.ts'

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
  if (ruleFor(container, exitCode) !== undefined) return true
  const policy = container.restartPolicy ?? podPolicy
  if (policy === 'Never') return false
  // An init container's work is done when it succeeds, whatever the policy.
  if (policy === 'OnFailure' || kind === 'init') return exitCode !== 0
  return true
}

/** The first of the container's own rules that its end falls under (KEP-5307). */
export const ruleFor = (container: AnyContainer, exitCode: number): ContainerRestartRule | undefined =>
  container.restartPolicyRules?.find(({ exitCodes }) => {
    if (exitCodes === undefined) return false
    const isListed = exitCodes.values?.includes(exitCode) === true
    return exitCodes.operator === 'NotIn' ? !isListed : isListed
  })

/** The end of a container after which all of the pod's start anew (action RestartAllContainers, KEP-5532). */
export function restartOfAll(view: Pick<PodView, 'pod' | 'observed'>): RuntimeContainer | undefined {
  for (const { container } of containersOf(view.pod.spec ?? { containers: [] })) {
    const [latest] = instancesOf(view, container.name)
    if (latest?.state !== 'exited') continue
    if (ruleFor(container, exitCodeOf(latest))?.action === 'RestartAllContainers') return latest
  }
  return undefined
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
