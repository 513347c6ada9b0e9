import type { Pod, Probe } from '../../api/kinds.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { ContainerRuntime, RuntimeContainer } from '../../runtime/runtime.ts'
import type { AnyContainer, ProbeResults } from '../core/pod-view.ts'
import { check, type CheckResult } from './check.ts'

export type ProbeKind = 'startup' | 'readiness' | 'liveness'

const kinds: readonly ProbeKind[] = ['startup', 'readiness', 'liveness']
const titles: Record<ProbeKind, string> = { startup: 'Startup', readiness: 'Readiness', liveness: 'Liveness' }

export interface ProberOptions {
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  /** A result has changed. */
  readonly onChange: () => void
  readonly say: (container: AnyContainer, reason: string, message: string) => void
  /** Replaced in tests. */
  readonly check?: typeof check
}

/** Probes the running containers of one pod. */
export interface Prober {
  /**
   * Level-triggered: starts what is missing, stops what is over. A pod that is ending is still asked whether it is ready,
   * so that its last connections find it, and nothing else (upstream StopLivenessAndStartup).
   */
  sync(
    pod: Pod,
    running: readonly { container: AnyContainer; instance: RuntimeContainer }[],
    host: string | undefined,
    isEnding: boolean,
  ): void
  /** By container id. */
  readonly results: ReadonlyMap<string, ProbeResults>
  stop(): void
}

interface Run {
  readonly container: AnyContainer
  readonly timers: Map<ProbeKind, Timer>
  readonly stop: AbortController
}

export function createProber(options: ProberOptions): Prober {
  const { clock, onChange } = options
  const results = new Map<string, ProbeResults>()
  const runs = new Map<string, Run>()
  let onlyReadiness = false

  function set(id: string, kind: ProbeKind, value: boolean): void {
    const before = results.get(id)
    if (before?.[kind] === value) return
    results.set(id, { ...before, [kind]: value })
    onChange()
  }

  /** Checks again and again: consecutive results beyond a threshold change the answer. */
  function repeat(run: Run, instance: RuntimeContainer, kind: ProbeKind, probe: Probe, host: string): void {
    const periodMs = (probe.periodSeconds ?? 10) * 1000
    const startMs = Math.max(0, instance.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - clock.nowMs())
    let last: boolean | undefined
    let inRow = 0
    const later = (delayMs: number): void => {
      if (!run.stop.signal.aborted)
        run.timers.set(
          kind,
          clock.after(delayMs, () => void once()),
        )
    }
    const once = async (): Promise<void> => {
      if (onlyReadiness && kind !== 'readiness') return
      // Until the container has started, only its startup probe counts.
      const started = run.container.startupProbe === undefined || results.get(instance.id)?.startup === true
      if (kind !== 'startup' && !started) return later(Math.min(periodMs, 1000))
      const target = { runtime: options.runtime, container: run.container, containerId: instance.id, host }
      const result = await (options.check ?? check)(probe, target, run.stop.signal)
      if (run.stop.signal.aborted || (onlyReadiness && kind !== 'readiness')) return
      if (!result.ok) tell(run.container, kind, result)
      inRow = last === result.ok ? inRow + 1 : 1
      last = result.ok
      const threshold = result.ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
      if (inRow >= threshold) {
        set(instance.id, kind, result.ok)
        // A container that will be killed is not asked further, nor one that has started.
        if (kind === 'startup' || (kind === 'liveness' && !result.ok)) return
      }
      later(periodMs)
    }
    later(startMs)
  }

  function tell(container: AnyContainer, kind: ProbeKind, result: CheckResult): void {
    const verb = result.errored ? 'errored and resulted in unknown state' : 'failed'
    options.say(container, 'Unhealthy', `${titles[kind]} probe ${verb}: ${result.output.trimEnd()}`)
  }

  function end(id: string): void {
    const run = runs.get(id)
    run?.stop.abort()
    run?.timers.forEach((timer) => timer.cancel())
    runs.delete(id)
    results.delete(id)
  }

  return {
    results,
    sync(pod, running, host, isEnding) {
      onlyReadiness = isEnding
      const ids = new Set(running.map(({ instance }) => instance.id))
      for (const id of runs.keys()) if (!ids.has(id)) end(id)
      if (host === undefined) return
      for (const { container, instance } of running) {
        if (runs.has(instance.id)) continue
        const run: Run = { container, timers: new Map(), stop: new AbortController() }
        runs.set(instance.id, run)
        for (const kind of kinds) {
          const probe = container[`${kind}Probe`]
          if (!probe) continue
          // After a restart of the agent, a container that was ready stays so until a probe says otherwise.
          const reported = pod.status?.containerStatuses?.find((one) => one.name === container.name)
          const same = reported?.containerID?.endsWith(instance.id) === true
          if (kind === 'readiness' && same && reported.ready)
            results.set(instance.id, { ...results.get(instance.id), readiness: true })
          if (kind === 'startup' && same && reported.started) {
            results.set(instance.id, { ...results.get(instance.id), startup: true })
            continue
          }
          repeat(run, instance, kind, probe, host)
        }
      }
    },
    stop() {
      for (const id of runs.keys()) end(id)
    },
  }
}
