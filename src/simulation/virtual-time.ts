import type { Random, Timer } from '../lib/clock.ts'

interface Due {
  atMs: number
  order: number
  /** Undefined once it was cancelled or has run. */
  run: (() => void) | undefined
}

/**
 * The one time of a simulated cluster. It passes only when it is told to; at each moment everything that is ready runs
 * to its rest before the next, so that a run depends on nothing but its inputs.
 */
export class VirtualTime {
  /** A binary heap, earliest first. */
  readonly #heap: Due[] = []
  #nowMs = 0
  #order = 0

  /** Since the start of the run. */
  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#push(due)
    return {
      cancel() {
        due.run = undefined
      },
    }
  }

  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await Promise.resolve()
    await atRest()
    for (let due = this.#heap[0]; due && due.atMs <= endMs; due = this.#heap[0]) {
      this.#pop()
      const { run } = due
      due.run = undefined
      if (!run) continue
      this.#nowMs = due.atMs
      run()
      await atRest()
    }
    this.#nowMs = endMs
  }

  /** Advances until the condition holds; false when it does not within `limitMs`. */
  async until(condition: () => boolean, limitMs: number, stepMs = 20): Promise<boolean> {
    const endMs = this.#nowMs + limitMs
    while (!condition()) {
      if (this.#nowMs >= endMs) return false
      await this.advance(stepMs)
    }
    return true
  }

  /** Whatever is still due never runs, and holds nothing of the run in memory. */
  end(): void {
    for (const due of this.#heap.splice(0)) due.run = undefined
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(due)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isEarlier(due, heap[parent])) break
      heap[at] = heap[parent] as Due
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isEarlier(heap[child + 1] as Due, heap[child])) child += 1
      if (!isEarlier(heap[child] as Due, last)) break
      heap[at] = heap[child] as Due
      at = child
    }
    heap[at] = last
  }
}

const isEarlier = (a: Due, b: Due | undefined): boolean =>
  b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order))

/**
 * Promises that are ready have run: called from within one, what is queued for the next tick waits for all the others.
 * Nothing of a run waits for anything else, and a turn of the event loop takes ten times as long.
 */
const atRest = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))

/** A whole number from 0 to `below` − 1. */
export const pick = (chance: Random, below: number): number => Math.floor(chance.next() * below)
