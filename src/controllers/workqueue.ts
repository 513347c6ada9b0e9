import type { Clock, Timer } from '../lib/clock.ts'

export interface WorkQueueOptions {
  clock: Clock
  /** Keys worked on at once. */
  concurrency: number
  /** First and longest back-off of a key that fails, doubling between. */
  baseDelayMs: number
  maxDelayMs: number
  work(key: string): Promise<void>
  onError(key: string, error: unknown): void
}

/**
 * The work queue of control loops, in the manner of client-go: a key is queued at most once, is never worked on twice
 * at the same time, and comes back when it changed meanwhile or failed. Bounded by the number of keys there are.
 *
 * Not promised: order among keys.
 */
export interface WorkQueue {
  add(key: string): void
  addAfter(key: string, delayMs: number): void
  /** Keys waiting or being worked on. */
  readonly length: number
  /** Takes no more keys and resolves when those being worked on are done. */
  stop(): Promise<void>
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const waiting = new Set<string>()
  const active = new Set<string>()
  const again = new Set<string>()
  const failures = new Map<string, number>()
  const timers = new Map<string, { timer: Timer; dueMs: number }>()
  let stopped = false
  let onIdle: (() => void) | undefined

  const run = async (key: string): Promise<void> => {
    try {
      await options.work(key)
      failures.delete(key)
    } catch (error) {
      const count = failures.get(key) ?? 0
      failures.set(key, count + 1)
      options.onError(key, error)
      queue.addAfter(key, Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** Math.min(count, 30)))
    } finally {
      active.delete(key)
      if (again.delete(key) && !stopped) waiting.add(key)
      pump()
    }
  }

  let isPumping = false
  /** Later, never within `add`: whoever adds may be in the middle of telling others of the same change. */
  const pump = (): void => {
    if (isPumping) return
    isPumping = true
    queueMicrotask(() => {
      isPumping = false
      pumpNow()
    })
  }

  const pumpNow = (): void => {
    // Stopped, nothing waits.
    for (const key of waiting) {
      if (active.size >= options.concurrency) break
      waiting.delete(key)
      active.add(key)
      void run(key)
    }
    if (stopped && active.size === 0) onIdle?.()
  }

  const queue: WorkQueue = {
    add(key) {
      if (stopped) return
      if (active.has(key)) again.add(key)
      else waiting.add(key)
      pump()
    },
    addAfter(key, delayMs) {
      if (stopped) return
      const dueMs = options.clock.monotonicMs() + delayMs
      const earlier = timers.get(key)
      if (earlier && earlier.dueMs <= dueMs) return
      earlier?.timer.cancel()
      const timer = options.clock.after(delayMs, () => {
        timers.delete(key)
        queue.add(key)
      })
      timers.set(key, { timer, dueMs })
    },
    get length() {
      return waiting.size + active.size
    },
    stop() {
      stopped = true
      for (const { timer } of timers.values()) timer.cancel()
      timers.clear()
      waiting.clear()
      if (active.size === 0) return Promise.resolve()
      return new Promise((resolve) => (onIdle = resolve))
    },
  }
  return queue
}
