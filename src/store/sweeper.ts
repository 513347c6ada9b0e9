import type { Clock, Timer } from '../lib/clock.ts'
import type { StageContext } from './stages.ts'
import type { Staging } from './staging.ts'

/** How often expired Events and tombstones are looked for. */
const sweepIntervalMs = 30_000
/** Removed at one sweep at most, so that a sweep never holds up writes for long. */
const sweepLimit = 5_000

export interface SweeperParts {
  clock: Clock
  context: Pick<StageContext, 'incarnations' | 'tombstones' | 'isExpired'>
  /** Tombstones that must stay: the decision log still keeps values of their uids. */
  isKept(uid: string): boolean
  /** Makes a change that nobody waits for. */
  submit(stage: (staging: Staging) => void): void
}

/** Drops Events whose hour is over, without a trace, and tombstones that nobody needs any more. */
export class Sweeper {
  readonly #parts: SweeperParts
  #timer: Timer | undefined

  constructor(parts: SweeperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#timer ??= this.#parts.clock.after(sweepIntervalMs, () => {
      this.#timer = undefined
      this.#sweep()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #sweep(): void {
    const { clock, context, isKept, submit } = this.#parts
    const { incarnations, isExpired } = context
    const events: string[] = []
    for (const { key, uid, document } of incarnations.values()) {
      if (events.length >= sweepLimit) break
      if (document && isExpired(key, document.newest)) events.push(uid)
    }
    const tombstones = context.tombstones.expired(clock.nowMs(), sweepLimit).filter((uid) => !isKept(uid))
    if (events.length + tombstones.length === 0) return
    submit((staging) => {
      for (const uid of events) {
        const document = staging.documents.get(uid) ?? incarnations.get(uid)?.document
        if (!document || !isExpired(document.key, document.newest)) continue
        staging.documents.delete(uid)
        staging.dropped.add(uid)
      }
      for (const uid of tombstones) staging.forgottenTombstones.add(uid)
    })
  }
}
