import type { Clock, Timer } from '../lib/clock.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Wall clock at the start of every run. */
const epochMs = Date.UTC(2026, 5, 1)

/**
 * The time of one life of a simulated process. It may be wrong, and may run too fast or too slow; while the process is
 * paused nothing of it runs, and once it is dead nothing ever does.
 */
export class NodeClock implements Clock {
  readonly #time: VirtualTime
  #held: (() => void)[] | undefined
  #isDead = false
  #offsetMs: number
  #rate = 1
  #baseMs = 0
  #baseAtMs = 0

  constructor(time: VirtualTime, offsetMs = 0) {
    this.#time = time
    this.#offsetMs = offsetMs
    this.#baseAtMs = time.nowMs
    this.#baseMs = time.nowMs
  }

  nowMs(): number {
    return Math.floor(epochMs + this.monotonicMs() + this.#offsetMs)
  }

  monotonicMs(): number {
    return this.#baseMs + (this.#time.nowMs - this.#baseAtMs) * this.#rate
  }

  after(delayMs: number, run: () => void): Timer {
    return this.real(delayMs / this.#rate, run)
  }

  /** As `after`, by the true time: what reaches the process from outside. */
  real(delayMs: number, run: () => void): Timer {
    let isCancelled = false
    const fire = () => {
      if (isCancelled || this.#isDead) return
      if (this.#held) this.#held.push(fire)
      else run()
    }
    const timer = this.#time.after(delayMs, fire)
    return {
      cancel() {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  /** The wall clock jumps. */
  jump(ms: number): void {
    this.#offsetMs += ms
  }

  get offsetMs(): number {
    return this.#offsetMs
  }

  setRate(rate: number): void {
    this.#baseMs = this.monotonicMs()
    this.#baseAtMs = this.#time.nowMs
    this.#rate = rate
  }

  pause(): void {
    this.#held ??= []
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = undefined
    // Each on its own, as it would have been.
    for (const run of held) this.#time.after(0, run)
  }

  get isPaused(): boolean {
    return this.#held !== undefined
  }

  die(): void {
    this.#isDead = true
    this.#held = undefined
  }
}
