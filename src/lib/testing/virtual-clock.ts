import type { Clock } from '../clock.ts'

interface Due {
  atMs: number
  order: number
  run: () => void
}

/** Time that passes only when it is told to, and at once. */
export class VirtualClock implements Clock {
  /** Of the monotonic clock, which is not the wall clock: who confuses them finds out. */
  #nowMs = 1_000_000
  #order = 0
  readonly #due = new Set<Due>()
  readonly #startMs: number

  constructor(startMs = Date.UTC(2026, 5, 1)) {
    this.#startMs = startMs - this.#nowMs
  }

  nowMs(): number {
    return this.#startMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void) {
    const due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#due.add(due)
    return { cancel: () => void this.#due.delete(due) }
  }

  /** Lets `durationMs` pass; between two timers everything that is ready runs to its end. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await settled()
    for (;;) {
      let next: Due | undefined
      for (const due of this.#due) {
        if (due.atMs > endMs) continue
        if (!next || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due
      }
      if (!next) break
      this.#due.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      await settled()
    }
    this.#nowMs = endMs
  }

  /** Lets time pass until the condition holds; throws when it does not within `limitMs`. */
  async until(condition: () => boolean, limitMs = 300_000, what = 'the condition'): Promise<number> {
    const startedMs = this.#nowMs
    while (!condition()) {
      if (this.#nowMs - startedMs >= limitMs) throw new Error(`not within ${limitMs} ms: ${what}`)
      await this.pass(10)
    }
    return this.#nowMs - startedMs
  }
}

/** Everything that waits for no timer has run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
