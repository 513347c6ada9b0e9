import type { Entry, HardState, SnapshotMeta } from '../raft/core/types.ts'

/** A snapshot of the cluster state: what it stands for, and its bytes in chunks of at most 1 MiB. */
export interface StoredSnapshot {
  readonly meta: SnapshotMeta
  readonly chunks: readonly Uint8Array[]
}

/** Everything on one node's disk. */
export interface StoredLog {
  /** Raised by a forced recovery; what belongs to a lower generation is void. */
  readonly generation: number
  readonly hardState: HardState
  readonly snapshot: StoredSnapshot | undefined
  /** Contiguous, the first just after the snapshot (or 1). */
  readonly entries: readonly Entry[]
}

export interface LogWrite {
  /** Replaces the snapshot and all entries before the rest of this write. */
  readonly snapshot?: StoredSnapshot
  /** Replace everything from the first one's index on. */
  readonly entries?: readonly Entry[]
  readonly hardState?: HardState
  readonly generation?: number
}

/**
 * Where a node keeps its part of the decision log. One write at a time takes effect whole or not at all, and is
 * durable (survives a power cut) when the promise resolves. What is read back is checked against its checksum.
 */
export interface LogStorage {
  /** Undefined on a disk that was never written. Throws {@link CorruptLogError}, never returns damaged data. */
  load(): StoredLog | undefined
  write(write: LogWrite): Promise<void>
  /** Keeps `snapshot` in place of the older one, and drops the entries that it covers. */
  compact(snapshot: StoredSnapshot): Promise<void>
  /** The newest snapshot's meta data and number of chunks. */
  snapshotInfo(): { meta: SnapshotMeta; chunkCount: number } | undefined
  /** One chunk of the snapshot at `index`; undefined when that is no longer the newest. */
  snapshotChunk(index: number, chunk: number): Uint8Array | undefined
  close(): Promise<void>
}

/** The node must not go on from this disk: its vote or entries that others count on may be lost. */
export class CorruptLogError extends Error {
  override name = 'CorruptLogError'

  constructor(what: string) {
    super(`decision log on disk is damaged: ${what}. Remove this node from the cluster and let it join anew.`)
  }
}

/** Written by a version of the agent that this one does not understand. */
export class UnknownFormatError extends Error {
  override name = 'UnknownFormatError'

  constructor(found: unknown, known: number) {
    super(`decision log on disk has format ${String(found)}, this version reads ${known}: start a newer version`)
  }
}
