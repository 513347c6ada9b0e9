import { crc32 } from 'node:zlib'
import { keyString, parseKey, type ObjectKey } from '../api/object.ts'
import { ByteReader, ByteWriter, MalformedBytes } from './bytes.ts'
import type { Stamp } from './decided.ts'
import type { DocumentState } from './document.ts'
import { parsePredecessor, predecessorText } from './document-content.ts'

/** A deleted incarnation. Deleting beats every update of it, whatever their stamps. */
export interface Tombstone {
  readonly key: ObjectKey
  readonly uid: string
  /** When it was deleted; counts only for how long the tombstone is kept. */
  readonly stamp: string
  /** Uid of the object of the same name that won against this one; '' for an ordinary deletion. */
  readonly replacedBy: string
  /** When and by whom the one that lost its name was created, so that its creator can tell; '' for an ordinary deletion. */
  readonly created: Stamp
}

/** Version of every record on disk and of the directory as a whole. 3: a tombstone names its object's creation. */
export const diskFormat = 3
/** The oldest that is still read; what it wrote is written anew in the present format as it changes. */
export const oldestDiskFormat = 2

/** Disk key prefixes. */
export const documentPrefix = 'd/'
export const tombstonePrefix = 't/'
export const metaPrefix = 'm/'

/** A record is its version, then the CRC-32 of the payload, then the payload: what a bad sector changed is never served. */
const headBytes = 5

const openRecord = (expectedBytes: number): ByteWriter => new ByteWriter(expectedBytes + 8).uint(diskFormat).uint32(0)

function seal(writer: ByteWriter): Uint8Array {
  const record = writer.done()
  new DataView(record.buffer).setUint32(headBytes - 4, crc32(record.subarray(headBytes)))
  return record
}

/** Throws MalformedBytes when the record is not what was written. */
function open(record: Uint8Array): { reader: ByteReader; format: number } {
  const reader = new ByteReader(record)
  const format = reader.uint()
  const sum = reader.uint32()
  const payload = reader.raw(reader.left)
  if (crc32(payload) !== sum) throw new MalformedBytes('checksum does not match')
  return { reader: new ByteReader(payload), format }
}

/** As {@link open}; throws on a format that this version does not read, too. */
function unseal(record: Uint8Array): { reader: ByteReader; format: number } {
  const opened = open(record)
  if (opened.format >= oldestDiskFormat && opened.format <= diskFormat) return opened
  throw new MalformedBytes(`record of format ${opened.format}, this version reads ${oldestDiskFormat} to ${diskFormat}`)
}

export function encodeDocumentRecord(state: DocumentState): Uint8Array {
  const writer = openRecord(state.encoded.length + 512)
    .text(keyString(state.key))
    .text(state.uid)
  writer.uint32(state.digest.hi).uint32(state.digest.lo).text(state.newest)
  writer.text(state.created?.stamp ?? '')
  writer.uint(state.created?.predecessors.length ?? 0)
  for (const one of state.created?.predecessors ?? []) writer.text(predecessorText(one))
  return seal(writer.bytes(state.encoded))
}

/** The document's bytes are the record's own, not a copy. */
export function decodeDocumentRecord(record: Uint8Array): DocumentState {
  const { reader } = unseal(record)
  const key = parseKey(reader.text())
  const uid = reader.text()
  const digest = { hi: reader.uint32(), lo: reader.uint32() }
  const newest = reader.text()
  const stamp = reader.text()
  const count = Math.min(reader.uint(), reader.left)
  const predecessors = Array.from({ length: count }, () => parsePredecessor(reader.text()))
  const created = stamp === '' ? undefined : { stamp, predecessors }
  return { key, uid, digest, newest, created, encoded: reader.bytes(), desiredDigest: undefined }
}

export function writeTombstone(writer: ByteWriter, { key, uid, stamp, replacedBy, created }: Tombstone): void {
  writer.text(keyString(key)).text(uid).text(stamp).text(replacedBy).text(created)
}

export function readTombstone(reader: ByteReader, format = diskFormat): Tombstone {
  const key = parseKey(reader.text())
  const [uid, stamp, replacedBy] = [reader.text(), reader.text(), reader.text()]
  return { key, uid, stamp, replacedBy, created: format < 3 ? '' : reader.text() }
}

export function encodeTombstoneRecord(tombstone: Tombstone): Uint8Array {
  const writer = openRecord(256)
  writeTombstone(writer, tombstone)
  return seal(writer)
}

export function decodeTombstoneRecord(record: Uint8Array): Tombstone {
  const { reader, format } = unseal(record)
  return readTombstone(reader, format)
}

/** Small facts about the node itself, as JSON. */
export const encodeMetaRecord = (value: unknown): Uint8Array => seal(openRecord(256).text(JSON.stringify(value)))

export const decodeMetaRecord = (record: Uint8Array): unknown => JSON.parse(unseal(record).reader.text()) as unknown

/** The record of the directory's format itself: every version writes it alike, so that each can read what another wrote. */
export const decodeFormatRecord = (record: Uint8Array): unknown => JSON.parse(open(record).reader.text()) as unknown
