import { crc32 } from 'node:zlib'
import { keyString, parseKey, type ObjectKey } from '../api/object.ts'
import { ByteReader, ByteWriter, MalformedBytes } from './bytes.ts'
import type { DocumentState } from './document.ts'

/** A deleted incarnation. Deleting beats every update of it, whatever their stamps. */
export interface Tombstone {
  readonly key: ObjectKey
  readonly uid: string
  /** When it was deleted; counts only for how long the tombstone is kept. */
  readonly stamp: string
  /** Uid of the object of the same name that won against this one; '' for an ordinary deletion. */
  readonly replacedBy: string
}

/** Version of every record on disk and of the directory as a whole. */
export const diskFormat = 2

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
function unseal(record: Uint8Array): ByteReader {
  const reader = new ByteReader(record)
  const format = reader.uint()
  if (format !== diskFormat) throw new MalformedBytes(`record of format ${format}, this version knows ${diskFormat}`)
  const sum = reader.uint32()
  const payload = reader.raw(reader.left)
  if (crc32(payload) !== sum) throw new MalformedBytes('checksum does not match')
  return new ByteReader(payload)
}

export function encodeDocumentRecord(state: DocumentState): Uint8Array {
  const writer = openRecord(state.encoded.length + 512)
    .text(keyString(state.key))
    .text(state.uid)
  writer.uint32(state.digest.hi).uint32(state.digest.lo).text(state.newest)
  writer.text(state.created?.stamp ?? '')
  writer.uint(state.created?.replaces.length ?? 0)
  for (const uid of state.created?.replaces ?? []) writer.text(uid)
  return seal(writer.bytes(state.encoded))
}

/** The document's bytes are the record's own, not a copy. */
export function decodeDocumentRecord(record: Uint8Array): DocumentState {
  const reader = unseal(record)
  const key = parseKey(reader.text())
  const uid = reader.text()
  const digest = { hi: reader.uint32(), lo: reader.uint32() }
  const newest = reader.text()
  const stamp = reader.text()
  const replaces = Array.from({ length: Math.min(reader.uint(), reader.left) }, () => reader.text())
  const created = stamp === '' ? undefined : { stamp, replaces }
  return { key, uid, digest, newest, created, encoded: reader.bytes(), desiredDigest: undefined }
}

export function writeTombstone(writer: ByteWriter, { key, uid, stamp, replacedBy }: Tombstone): void {
  writer.text(keyString(key)).text(uid).text(stamp).text(replacedBy)
}

export function readTombstone(reader: ByteReader): Tombstone {
  return { key: parseKey(reader.text()), uid: reader.text(), stamp: reader.text(), replacedBy: reader.text() }
}

export function encodeTombstoneRecord(tombstone: Tombstone): Uint8Array {
  const writer = openRecord(256)
  writeTombstone(writer, tombstone)
  return seal(writer)
}

export const decodeTombstoneRecord = (record: Uint8Array): Tombstone => readTombstone(unseal(record))

/** Small facts about the node itself, as JSON. */
export const encodeMetaRecord = (value: unknown): Uint8Array => seal(openRecord(256).text(JSON.stringify(value)))

export const decodeMetaRecord = (record: Uint8Array): unknown => JSON.parse(unseal(record).text()) as unknown
