import type { Clock } from '../../src/lib/clock.ts'

/** Virtual time: it stands still until somebody advances it, and then every timer runs at its own moment. */
export interface VirtualClock extends Clock {
  /** Lets `ms` pass. Between two timers everything that they set off comes to rest. */
  advance(ms: number): Promise<void>
  /** Advances from timer to timer until `condition` holds. Rejects after `limitMs` of virtual time. */
  until(condition: () => boolean, limitMs?: number): Promise<void>
}

interface Pending {
  atMs: number
  order: number
  run: () => void
}

/** Promises that are ready run before this resolves; timers do not. */
const atRest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function virtualClock(startMs = Date.UTC(2026, 5, 1)): VirtualClock {
  let nowMs = startMs
  let order = 0
  const pending = new Set<Pending>()
  const next = (): Pending | undefined => {
    let first: Pending | undefined
    for (const one of pending) {
      if (!first || one.atMs < first.atMs || (one.atMs === first.atMs && one.order < first.order)) first = one
    }
    return first
  }
  const runNext = async (limitMs: number): Promise<boolean> => {
    const timer = next()
    if (!timer || timer.atMs > limitMs) return false
    pending.delete(timer)
    nowMs = Math.max(nowMs, timer.atMs)
    timer.run()
    await atRest()
    return true
  }
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    after(delayMs, run) {
      order += 1
      const timer = { atMs: nowMs + Math.max(0, delayMs), order, run }
      pending.add(timer)
      return { cancel: () => void pending.delete(timer) }
    },
    async advance(ms) {
      const endMs = nowMs + ms
      await atRest()
      while (await runNext(endMs));
      nowMs = endMs
    },
    async until(condition, limitMs = 300_000) {
      const endMs = nowMs + limitMs
      await atRest()
      while (!condition()) {
        if (await runNext(endMs)) continue
        nowMs += 1
        await atRest()
        if (nowMs > endMs) throw new Error(`the condition did not come true within ${limitMs} ms of virtual time`)
      }
    },
  }
}
