import { crc32 } from 'node:zlib'
import { open } from 'lmdb'
import { decodeEntry, encodeEntry } from './entry-codec.ts'
import { committed, durableCommits, requireRoom } from '../store/lmdb-commit.ts'
import {
  CorruptLogError,
  UnknownFormatError,
  type LogStorage,
  type LogWrite,
  type StoredLog,
  type StoredSnapshot,
} from './log-storage.ts'
import type { Entry, HardState, SnapshotMeta } from '../raft/core/types.ts'

const formatVersion = 1
const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface MetaRecord {
  format: number
  generation: number
  hardState: HardState
  snapshot: { meta: SnapshotMeta; chunkCount: number } | undefined
}

/** The checksum covers the key too, so that a value at the wrong place is found out. */
function seal(key: string, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + payload.length)
  bytes.writeUInt32BE(crc32(payload, crc32(key)), 0)
  bytes.set(payload, 4)
  return bytes
}

function unseal(key: string, bytes: Uint8Array | undefined): Uint8Array {
  if (!bytes) throw new CorruptLogError(`${key} is missing`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const payload = bytes.subarray(4)
  if (bytes.length < 4 || view.getUint32(0) !== crc32(payload, crc32(key))) {
    throw new CorruptLogError(`checksum of ${key} does not match`)
  }
  // LMDB's buffer is only good until the next read.
  return new Uint8Array(payload)
}

/**
 * The decision log in an LMDB environment of its own at `path` (a directory). A write is one transaction; it resolves
 * after fsync, and writes that arrive meanwhile share the next one (group commit).
 */
export function openLmdbLogStorage(path: string): LogStorage {
  const root = open({
    path,
    encoding: 'binary',
    maxDbs: 4,
    noSync: false,
    ...durableCommits,
    mapSize: 256 * 1024 * 1024,
  })
  const meta = root.openDB<Buffer, string>({ name: 'meta', encoding: 'binary' })
  const entries = root.openDB<Buffer, number>({ name: 'entries', encoding: 'binary' })
  const chunks = root.openDB<Buffer, number>({ name: 'snapshot', encoding: 'binary' })
  // An unreadable log must stop the start, not the first read.
  readMeta()

  function readMeta(): MetaRecord | undefined {
    const stored = meta.get('log')
    if (!stored) return undefined
    const found = JSON.parse(decoder.decode(unseal('log', stored))) as MetaRecord
    if (found.format !== formatVersion) throw new UnknownFormatError(found.format, formatVersion)
    return found
  }

  /** Inside a transaction. */
  function putMeta(next: MetaRecord): void {
    meta.putSync('log', seal('log', encoder.encode(JSON.stringify(next))))
  }

  function putSnapshot(next: MetaRecord, { meta: about, chunks: parts }: StoredSnapshot): void {
    chunks.clearSync()
    parts.forEach((part, at) => chunks.putSync(at, seal(`snapshot ${about.index}/${at}`, part)))
    next.snapshot = { meta: about, chunkCount: parts.length }
  }

  function dropEntries(range: { start?: number; end?: number }): void {
    for (const index of Array.from(entries.getKeys(range))) entries.removeSync(index)
  }

  /** `records`: what will be added, roughly. */
  async function change(records: readonly Uint8Array[], apply: (next: MetaRecord) => void): Promise<void> {
    requireRoom(path, records)
    const work = root.transaction(() => {
      // Read inside the transaction: writes that share a commit see each other.
      const next: MetaRecord = readMeta() ?? {
        format: formatVersion,
        generation: 0,
        hardState: { term: 0, vote: null, commit: 0 },
        snapshot: undefined,
      }
      apply(next)
      putMeta(next)
    })
    await committed(work)
  }

  const readChunk = (index: number, at: number) => unseal(`snapshot ${index}/${at}`, chunks.get(at))

  function readEntries(after: number): Entry[] {
    const found: Entry[] = []
    for (const { key, value } of entries.getRange({ start: after + 1 })) {
      const entry = decodeEntry(unseal(`entry ${key}`, value))
      if (key !== after + 1 + found.length || entry.index !== key) throw new CorruptLogError(`gap before entry ${key}`)
      found.push(entry)
    }
    return found
  }

  return {
    load(): StoredLog | undefined {
      const record = readMeta()
      if (!record) return undefined
      const about = record.snapshot
      const snapshot = about && {
        meta: about.meta,
        chunks: Array.from({ length: about.chunkCount }, (_, at) => readChunk(about.meta.index, at)),
      }
      const kept = readEntries(about?.meta.index ?? 0)
      const last = kept.at(-1)?.index ?? about?.meta.index ?? 0
      if (record.hardState.commit > last) {
        throw new CorruptLogError(`entries up to ${record.hardState.commit} were committed, the last one is ${last}`)
      }
      return { generation: record.generation, hardState: record.hardState, snapshot, entries: kept }
    },
    write: (write: LogWrite) => {
      const added = (write.entries ?? []).map((entry) => (entry.kind === 'data' ? entry.data : new Uint8Array()))
      return change([...added, ...(write.snapshot?.chunks ?? [])], (next) => {
        if (write.snapshot) {
          putSnapshot(next, write.snapshot)
          dropEntries({})
        }
        const [first] = write.entries ?? []
        if (first) dropEntries({ start: first.index })
        for (const entry of write.entries ?? []) {
          entries.putSync(entry.index, seal(`entry ${entry.index}`, encodeEntry(entry)))
        }
        if (write.hardState) next.hardState = write.hardState
        if (write.generation !== undefined) next.generation = write.generation
      })
    },
    compact: (snapshot) =>
      change(snapshot.chunks, (next) => {
        putSnapshot(next, snapshot)
        dropEntries({ end: snapshot.meta.index + 1 })
      }),
    snapshotInfo: () => readMeta()?.snapshot,
    snapshotChunk(index, chunk) {
      const about = readMeta()?.snapshot
      return about?.meta.index === index && chunk < about.chunkCount ? readChunk(index, chunk) : undefined
    },
    close: () => root.close(),
  }
}
