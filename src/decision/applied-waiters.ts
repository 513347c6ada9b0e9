import type { Clock } from '../lib/clock.ts'

interface Waiter {
  index: number
  done(): void
}

/** Who waits for entries of the log to be applied on this node. */
export class AppliedWaiters {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves with {@link wake} of that index or a later one, after `timeoutMs`, when the signal is aborted, or with `endAll`. */
  until(index: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer?.cancel()
        signal.removeEventListener('abort', done)
        this.#waiting.delete(waiter)
        resolve()
      }
      const waiter = { index, done }
      const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, done)
      signal.addEventListener('abort', done)
      this.#waiting.add(waiter)
    })
  }

  wake(appliedIndex: number): void {
    for (const { index, done } of this.#waiting) if (index <= appliedIndex) done()
  }

  endAll(): void {
    this.wake(Infinity)
  }
}
