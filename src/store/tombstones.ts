import { keyString, type ObjectKey } from '../api/object.ts'
import type { Predecessor } from './document-content.ts'
import type { Tombstone } from './record.ts'
import { msOfStamp } from './stamp.ts'

/** How many deleted predecessors a new object names: enough for what may still be under way somewhere. */
const predecessorLimit = 8

export interface TombstoneLimits {
  /** A tombstone older than this goes, whoever has it: who was away longer must join anew. */
  retentionMs: number
  /** A tombstone that every member has still stays this long, for messages that are under way. */
  settleMs: number
}

interface Kept {
  tombstone: Tombstone
  /** Order in which this node learnt of it; of this process only. */
  sequence: number
}

export const predecessorOf = (tombstone: Tombstone | undefined): Predecessor[] =>
  tombstone ? [{ uid: tombstone.uid, isOutvoted: tombstone.replacedBy !== '' }] : []

/** Which incarnations are deleted, for as long as somebody might still bring one of them up. */
export class Tombstones {
  readonly #limits: TombstoneLimits
  readonly #kept = new Map<string, Kept>()
  readonly #byKey = new Map<string, string[]>()
  #sequence = 0
  #acknowledged = 0

  constructor(limits: TombstoneLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#kept.size
  }

  /** Sequence of the newest. */
  get sequence(): number {
    return this.#sequence
  }

  has(uid: string): boolean {
    return this.#kept.has(uid)
  }

  get(uid: string): Tombstone | undefined {
    return this.#kept.get(uid)?.tombstone
  }

  add(tombstone: Tombstone): void {
    if (this.#kept.has(tombstone.uid)) return
    this.#sequence += 1
    this.#kept.set(tombstone.uid, { tombstone, sequence: this.#sequence })
    const id = keyString(tombstone.key)
    this.#byKey.set(id, [...(this.#byKey.get(id) ?? []), tombstone.uid])
  }

  /** The newest objects of that name that are gone. */
  predecessors(key: ObjectKey): Predecessor[] {
    const uids = (this.#byKey.get(keyString(key)) ?? []).slice(-predecessorLimit)
    return uids.flatMap((uid) => predecessorOf(this.get(uid)))
  }

  /** Those learnt after `sequence`, oldest first, at most `limit`; with the sequence of the last. */
  since(sequence: number, limit: number): { tombstones: Tombstone[]; last: number } {
    const tombstones: Tombstone[] = []
    let last = sequence
    if (sequence >= this.#sequence) return { tombstones, last }
    for (const kept of this.#kept.values()) {
      if (kept.sequence <= sequence) continue
      if (tombstones.length >= limit) return { tombstones, last }
      tombstones.push(kept.tombstone)
      last = kept.sequence
    }
    return { tombstones, last: Math.max(last, this.#sequence) }
  }

  /** Every member has all those up to `sequence`. */
  acknowledge(sequence: number): void {
    this.#acknowledged = sequence
  }

  /** Whether nobody can bring that incarnation up again, as far as this node knows. */
  isSettled(uid: string, nowMs: number): boolean {
    const kept = this.#kept.get(uid)
    return !kept || this.#isOver(kept, nowMs)
  }

  #isOver({ tombstone, sequence }: Kept, nowMs: number): boolean {
    const ageMs = nowMs - msOfStamp(tombstone.stamp)
    return ageMs > this.#limits.retentionMs || (sequence <= this.#acknowledged && ageMs > this.#limits.settleMs)
  }

  /** Uids whose time is over, at most `limit`. */
  expired(nowMs: number, limit: number): string[] {
    const uids: string[] = []
    for (const [uid, kept] of this.#kept) {
      if (uids.length >= limit) break
      if (this.#isOver(kept, nowMs)) uids.push(uid)
    }
    return uids
  }

  remove(uid: string): void {
    const kept = this.#kept.get(uid)
    if (!kept) return
    this.#kept.delete(uid)
    const id = keyString(kept.tombstone.key)
    const rest = (this.#byKey.get(id) ?? []).filter((one) => one !== uid)
    if (rest.length === 0) this.#byKey.delete(id)
    else this.#byKey.set(id, rest)
  }
}
