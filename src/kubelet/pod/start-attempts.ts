import { RuntimeError } from '../../runtime/runtime.ts'
import type { StartFailure } from '../core/pod-view.ts'
import { ImageError } from '../images/image-puller.ts'
import { StartError } from './container-creator.ts'

/** Wait before what could not be configured or created is tried again. */
const configRetryMs = 10_000

/** What failed to start, with when it may be tried again: by container name, or `pod/…` for what is the pod's. */
export interface StartAttempts {
  readonly failures: ReadonlyMap<string, StartFailure>
  mayTry(name: string, nowMs: number): boolean
  /** Not to be tried before that time. */
  postpone(name: string, untilMs: number): void
  /** Why it waits, without a time of its own. False when that was known. */
  explain(name: string, failure: StartFailure): boolean
  /** It runs, or is ready. */
  succeeded(name: string): void
  isPostponed(name: string): boolean
  /** Remembers a failed start of a container; throws what says nothing about the container. */
  failed(name: string, error: Error, hasEnded: boolean, nowMs: number): void
  /** What failed for want of a ConfigMap, Secret or claim may be tried at once. */
  sourcesChanged(): void
  nextAtMs(): readonly number[]
}

export function createStartAttempts(): StartAttempts {
  const failures = new Map<string, StartFailure>()
  const retryAtMs = new Map<string, number>()
  return {
    failures,
    mayTry: (name, nowMs) => nowMs >= (retryAtMs.get(name) ?? 0),
    postpone: (name, untilMs) => void retryAtMs.set(name, untilMs),
    explain(name, failure) {
      const before = failures.get(name)
      failures.set(name, failure)
      return before?.reason !== failure.reason || before.message !== failure.message
    },
    succeeded(name) {
      failures.delete(name)
      retryAtMs.delete(name)
    },
    isPostponed: (name) => retryAtMs.has(name),

    failed(name, error, hasEnded, nowMs) {
      if (error instanceof ImageError) {
        failures.set(name, error.failure)
        retryAtMs.set(name, error.retryAtMs ?? Infinity)
      } else if (error instanceof StartError) {
        const { cause } = error
        if (cause instanceof RuntimeError && cause.kind === 'unreachable') throw cause
        failures.set(name, { reason: error.reason, message: error.message })
        // What ended is restarted by the crash back-off, what never was is tried again.
        if (!hasEnded || error.reason.startsWith('Create')) retryAtMs.set(name, nowMs + configRetryMs)
      } else {
        throw error
      }
    },

    sourcesChanged() {
      for (const [name, at] of retryAtMs) {
        if (failures.get(name)?.reason.startsWith('CreateContainer')) retryAtMs.set(name, Math.min(at, 0))
      }
    },
    nextAtMs: () => [...retryAtMs.values()],
  }
}
