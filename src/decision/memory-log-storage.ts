import { decodeEntry, encodeEntry } from './entry-codec.ts'
import type { LogStorage, LogWrite, StoredLog, StoredSnapshot } from './log-storage.ts'

/** A disk in memory, for tests and simulation: survives `crash`, which loses every write that has not resolved. */
export interface MemoryLogStorage extends LogStorage {
  /** Loses what is not durable. Writes under way never resolve. The storage may then be loaded again. */
  crash(): void
  /** While set, writes reject with it, and leave nothing behind. */
  failWith: Error | undefined
}

interface Contents {
  generation: number
  hardState: StoredLog['hardState']
  snapshot: StoredSnapshot | undefined
  entries: Map<number, Uint8Array>
}

/** @param syncDelay resolves when a write has reached the disk; default: at once. */
export function createMemoryLogStorage(syncDelay: () => Promise<void> = () => Promise.resolve()): MemoryLogStorage {
  let durable: Contents | undefined
  let epoch = 0
  let queue = Promise.resolve()

  async function changeAfter(earlier: Promise<void>, edit: (contents: Contents) => void): Promise<void> {
    const started = epoch
    await earlier
    await syncDelay()
    // A crashed machine answers nobody.
    if (started !== epoch) await new Promise(() => {})
    if (storage.failWith) throw storage.failWith
    durable ??= {
      generation: 0,
      hardState: { term: 0, vote: null, commit: 0 },
      snapshot: undefined,
      entries: new Map(),
    }
    edit(durable)
  }

  function change(edit: (contents: Contents) => void): Promise<void> {
    const done = changeAfter(queue, edit)
    queue = done.catch(() => {})
    return done
  }

  const storage: MemoryLogStorage = {
    failWith: undefined,
    load() {
      if (!durable) return undefined
      const { entries, ...rest } = durable
      return {
        ...rest,
        entries: [...entries].toSorted(([left], [right]) => left - right).map(([, bytes]) => decodeEntry(bytes)),
      }
    },
    write: (write: LogWrite) =>
      change((contents) => {
        if (write.snapshot) {
          contents.snapshot = write.snapshot
          contents.entries.clear()
        }
        const [first] = write.entries ?? []
        if (first) for (const index of contents.entries.keys()) if (index >= first.index) contents.entries.delete(index)
        for (const entry of write.entries ?? []) contents.entries.set(entry.index, encodeEntry(entry))
        if (write.hardState) contents.hardState = write.hardState
        if (write.generation !== undefined) contents.generation = write.generation
      }),
    compact: (snapshot) =>
      change((contents) => {
        contents.snapshot = snapshot
        for (const index of contents.entries.keys()) if (index <= snapshot.meta.index) contents.entries.delete(index)
      }),
    snapshotInfo() {
      const snapshot = durable?.snapshot
      return snapshot && { meta: snapshot.meta, chunkCount: snapshot.chunks.length }
    },
    snapshotChunk(index, chunk) {
      const snapshot = durable?.snapshot
      return snapshot?.meta.index === index ? snapshot.chunks[chunk] : undefined
    },
    close: () => queue,
    crash() {
      epoch += 1
      queue = Promise.resolve()
    },
  }
  return storage
}
