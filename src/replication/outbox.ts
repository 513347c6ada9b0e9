import type { Change } from '../store/replica.ts'
import { changeBytes, type Announcement } from './batch.ts'

/** A batch's changes, before deflating: what fits one gossip message well (measured: cost a KB is least at 64 KB). */
export const batchLimitBytes = 64 * 1024

/** What may wait to be sent. Beyond it changes are left to anti-entropy. */
const outboxLimitBytes = 8 * 2 ** 20

export interface Parcel {
  changes: Change[]
  announced: Announcement[]
}

/** Changes that wait for the next broadcast, cut into batches. Pure but for what it holds. */
export class Outbox {
  #waiting: Change[] = []
  #bytes = 0
  #overflowed = 0

  /** False when there was no room: these changes must reach peers by anti-entropy. */
  add(changes: readonly Change[]): boolean {
    const bytes = changes.reduce((sum, change) => sum + changeBytes(change), 0)
    if (this.#bytes + bytes > outboxLimitBytes) {
      this.#overflowed += changes.length
      return false
    }
    this.#waiting.push(...changes)
    this.#bytes += bytes
    return true
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Changes that found no room since the start. */
  get overflowed(): number {
    return this.#overflowed
  }

  /** The next batch: at most {@link batchLimitBytes}, in order; changes above that alone are only announced. */
  take(): Parcel {
    const parcel: Parcel = { changes: [], announced: [] }
    let bytes = 0
    let taken = 0
    for (const change of this.#waiting) {
      const size = changeBytes(change)
      if (change.type === 'document' && size > batchLimitBytes) {
        parcel.announced.push({ uid: change.uid })
        bytes += 64
      } else {
        if (bytes + size > batchLimitBytes) break
        parcel.changes.push(change)
        bytes += size
      }
      taken += 1
      this.#bytes -= size
    }
    this.#waiting = this.#waiting.slice(taken)
    return parcel
  }
}
