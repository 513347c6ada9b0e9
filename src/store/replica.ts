import type { ObjectKey } from '../api/object.ts'
import type { DigestTable } from './digest.ts'
import type { Tombstone } from './record.ts'

/** One change as it travels between replicas. */
export type Change =
  | { readonly type: 'document'; readonly key: ObjectKey; readonly uid: string; readonly update: Uint8Array }
  | { readonly type: 'tombstone'; readonly tombstone: Tombstone }

export interface MergeResult {
  /** Changes that said something new. */
  applied: number
  /** Changes that were unreadable, too large or of an implausible time. */
  refused: number
}

/** What replication asks of a store. */
export interface Replica {
  readonly digests: DigestTable
  /**
   * Called with what became durable here by writes made here, in order, once a commit. Resolves when a peer has it
   * durably as well, or after the time that a write waits for that (100 ms).
   */
  onLocalChanges(handler: (changes: readonly Change[]) => Promise<void>): void
  /** Takes what peers sent; durable once it resolves. Rejects only when this node's disk fails. */
  merge(changes: readonly Change[]): Promise<MergeResult>
  /** The document as it is kept, or undefined. */
  document(uid: string): { key: ObjectKey; encoded: Uint8Array } | undefined
  tombstone(uid: string): Tombstone | undefined
  /** Tombstones learnt after `sequence` (0: all), in order; `last` is the sequence up to which they reach. */
  tombstonesSince(sequence: number, limit: number): { tombstones: Tombstone[]; last: number }
  /** Every other member has all tombstones up to `sequence`: they may go. */
  acknowledgeTombstones(sequence: number): void
  /** How long a tombstone is kept for a member that is away. */
  readonly retentionMs: number
  /** A small fact that survives a restart; undefined when never set. */
  fact(name: string): unknown
  setFact(name: string, value: unknown): Promise<void>
  /** Number of documents held. */
  documentCount(): number
}
