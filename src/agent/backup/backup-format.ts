import { createHash } from 'node:crypto'
import { keyString, parseKey, type ObjectKey } from '../../api/object.ts'
import type { ClusterSecrets } from '../../pki/cluster-secrets.ts'
import { ByteReader, ByteWriter, MalformedBytes } from '../../store/bytes.ts'
import type { ClusterConfig } from '../membership-file.ts'

/*
 * A backup is a stream: the magic line, then records of a kind (1 byte), a length (4 bytes, big endian) and so many
 * bytes: a header first, then the decision log's state and the documents, and at the end the SHA-256 of everything
 * before it. A file that was cut short has no end, and is refused.
 */
const magic = new TextEncoder().encode('stormo-backup\n')
/** Of the stream and everything in it. A reader refuses others. */
export const backupFormat = 1
const kinds = { header: 1, state: 2, document: 3, end: 255 } as const
const headBytes = 5
/** A record announced larger is no record: the largest is a document, or a chunk of the log's state with a large object. */
const recordLimitBytes = 64 * 2 ** 20

/** What a backup says of itself. Holds the cluster's keys: a backup is to be guarded like the CA's key. */
export interface BackupHeader {
  format: number
  /** Unix ms. */
  createdMs: number
  config: ClusterConfig
  secrets: ClusterSecrets
  /** Generation and position of the decision log whose state follows. */
  generation: number
  index: number
}

export interface BackedUpDocument {
  key: ObjectKey
  uid: string
  encoded: Uint8Array
}

export interface BackupParts {
  header: BackupHeader
  state: Iterable<Uint8Array>
  documents: Iterable<BackedUpDocument>
}

export type BackupRecord =
  | { type: 'header'; header: BackupHeader }
  | { type: 'state'; chunk: Uint8Array }
  | { type: 'document'; document: BackedUpDocument }

/** The backup as bytes, about a record at a time. */
export function* encodeBackup({ header, state, documents }: BackupParts): Generator<Uint8Array> {
  const hash = createHash('sha256')
  const counted = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes)
    return bytes
  }
  yield counted(magic)
  yield counted(recordOf(kinds.header, new TextEncoder().encode(JSON.stringify(header))))
  for (const chunk of state) yield counted(recordOf(kinds.state, chunk))
  for (const { key, uid, encoded } of documents) {
    const writer = new ByteWriter(encoded.length + 512).text(keyString(key)).text(uid).bytes(encoded)
    yield counted(recordOf(kinds.document, writer.done()))
  }
  yield recordOf(kinds.end, hash.digest())
}

const recordOf = (kind: number, payload: Uint8Array): Uint8Array =>
  new ByteWriter(headBytes + payload.length).raw(Uint8Array.of(kind)).uint32(payload.length).raw(payload).done()

/** Reads a backup. Throws an Error that says what is wrong with the file; only at its end is it known to be whole. */
export async function* decodeBackup(source: AsyncIterable<Uint8Array>): AsyncGenerator<BackupRecord> {
  const hash = createHash('sha256')
  let kept: Uint8Array = new Uint8Array()
  let hasMagic = false
  let isOver = false
  for await (const bytes of source) {
    kept = kept.length === 0 ? bytes : Buffer.concat([kept, bytes])
    if (!hasMagic) {
      if (kept.length < magic.length) continue
      if (Buffer.compare(kept.subarray(0, magic.length), magic) !== 0) throw new Error('this is no backup of stormo')
      hash.update(magic)
      kept = kept.subarray(magic.length)
      hasMagic = true
    }
    for (let record = firstOf(kept); record; record = firstOf(kept)) {
      if (isOver) throw new Error('the backup goes on after its end: the file is damaged')
      kept = kept.subarray(record.bytes.length)
      if (record.kind === kinds.end) {
        if (Buffer.compare(record.payload, hash.digest()) !== 0)
          throw new Error('the checksum of the backup does not match: the file is damaged')
        isOver = true
      } else {
        hash.update(record.bytes)
        yield parsed(record.kind, record.payload)
      }
    }
  }
  if (!isOver || kept.length > 0) throw new Error('the backup ends early: the file is not whole')
}

function firstOf(bytes: Uint8Array): { kind: number; payload: Uint8Array; bytes: Uint8Array } | undefined {
  if (bytes.length < headBytes) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset, headBytes).getUint32(1)
  if (length > recordLimitBytes) throw new Error(`a record of ${length} bytes: the file is damaged`)
  const end = headBytes + length
  if (bytes.length < end) return undefined
  return { kind: bytes[0] ?? 0, payload: bytes.subarray(headBytes, end), bytes: bytes.subarray(0, end) }
}

function parsed(kind: number, payload: Uint8Array): BackupRecord {
  switch (kind) {
    case kinds.header: {
      const header = JSON.parse(new TextDecoder().decode(payload)) as BackupHeader
      if (header.format !== backupFormat)
        throw new Error(
          `the backup is of format ${header.format}; this version of stormo reads format ${backupFormat}. ` +
            'Restore it with the version that made it, and upgrade then.',
        )
      return { type: 'header', header }
    }
    case kinds.state:
      return { type: 'state', chunk: payload }
    case kinds.document: {
      const reader = new ByteReader(payload)
      const document = { key: parseKey(reader.text()), uid: reader.text(), encoded: reader.bytes() }
      return { type: 'document', document }
    }
    default:
      throw new MalformedBytes(`a record of unknown kind ${kind}: the file is damaged, or of a newer release`)
  }
}
