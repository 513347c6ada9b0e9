import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Service } from '../lib/service.ts'

export interface MemoryReducerOptions {
  readonly clock: Clock
  readonly residentBytes: () => number
  /** The part of the time since it was asked last in which the event loop had something to do, 0 to 1. */
  readonly utilization: () => number
  /** Collects all garbage, and gives what is free to the system. Nothing else happens meanwhile: for 0.1 to 0.3 s. */
  readonly collect: () => void
}

const lookMs = 15_000
/** Quiet enough for nobody to wait for the collection. */
const quietUtilization = 0.1
/** Less is not worth the pause. A process that stays quiet does not grow by as much again. */
const worthBytes = 16 * 1024 * 1024
const leastPauseMs = 120_000

/**
 * Gives back what a busy time has left once it is over. V8 collects only when it needs more, and keeps pages that it has
 * used: a process that has become quiet stays as large as it ever was.
 */
export function createMemoryReducer({ clock, residentBytes, utilization, collect }: MemoryReducerOptions): Service {
  let timer: Timer | undefined
  let keptBytes = 0
  let collectedMs = -Infinity

  function look(): void {
    timer = clock.after(lookMs, look)
    const isQuiet = utilization() < quietUtilization
    const bytes = residentBytes()
    keptBytes = Math.min(keptBytes, bytes)
    if (!isQuiet || bytes - keptBytes < worthBytes || clock.monotonicMs() - collectedMs < leastPauseMs) return
    collect()
    keptBytes = residentBytes()
    collectedMs = clock.monotonicMs()
  }

  return {
    async start() {
      utilization()
      timer = clock.after(lookMs, look)
    },
    async stop() {
      timer?.cancel()
    },
  }
}

/** That of this process. Without `--expose-gc`, which the launcher gives, it does nothing. */
export function ownMemoryReducer(clock: Clock): Service {
  let last = performance.eventLoopUtilization()
  return createMemoryReducer({
    clock,
    residentBytes: () => process.memoryUsage.rss(),
    utilization() {
      const now = performance.eventLoopUtilization()
      const since = performance.eventLoopUtilization(now, last)
      last = now
      return since.utilization
    },
    collect: () => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  })
}
