import { MalformedBytes, type ByteReader, type ByteWriter } from '../store/bytes.ts'
import { bucketCount, hashText, type Digest } from '../store/digest.ts'
import { readTombstone, writeTombstone, type Tombstone } from '../store/record.ts'
import { beginMessage } from './speech.ts'

/*
 * Messages of anti-entropy, each a request and its answer (SPEC.md tells their order). Documents are named by the
 * 64-bit hash of their uid while only comparing, since 50,000 uids would cost more than the differences. What is read
 * here follows the version of the wire format, which `openMessage` has read.
 */

/** Opens a session. */
export interface Greeting {
  root: Digest
  /** Whether the sender was in sync with a majority of the members within the retention. */
  isCurrent: boolean
  /** When the sender last finished a session with the receiver, Unix ms; 0: never. */
  lastSyncMs: number
  /** Hashes of the uids of tombstones that the receiver may not have. */
  tombstones: Digest[]
}

export interface GreetingAnswer {
  root: Digest
  isCurrent: boolean
  lastSyncMs: number
  /** The receiver holds that the sender was away for too long. */
  isStale: boolean
  /** Which of the tombstones it lacks, by index. */
  wanted: number[]
}

export interface BucketEntries {
  bucket: number
  entries: { hash: Digest; digest: Digest }[]
}

/** Asks for what is new in some documents. */
export interface PullItem {
  hash: Digest
  /** What the asker has; empty: nothing. */
  stateVector: Uint8Array
}

export interface PulledItem {
  uid: string
  /** Index of the item in the request. */
  index: number
  key: string
  update: Uint8Array
  /** What the answerer has, to see what it lacks. */
  stateVector: Uint8Array
}

export interface PullAnswer {
  documents: PulledItem[]
  /** Answered items; the rest did not fit and must be asked for again. */
  answered: number
}

const writeDigest = (writer: ByteWriter, digest: Digest) => writer.uint32(digest.hi).uint32(digest.lo)
const readDigest = (reader: ByteReader): Digest => ({ hi: reader.uint32(), lo: reader.uint32() })

export const hashKey = (hash: Digest): string => `${hash.hi}.${hash.lo}`
export const uidHash = (uid: string): Digest => hashText(uid)

/** Elements of at least `leastBytes` each: a count above what is left is a lie. */
function countOf(reader: ByteReader, leastBytes: number): number {
  const count = reader.uint()
  if (count * leastBytes > reader.left) throw new MalformedBytes(`${count} elements announced in ${reader.left} bytes`)
  return count
}

const list = <T>(reader: ByteReader, leastBytes: number, read: () => T): T[] =>
  Array.from({ length: countOf(reader, leastBytes) }, read)

export function encodeGreeting(version: number, greeting: Greeting): Uint8Array {
  const writer = writeDigest(beginMessage(version), greeting.root)
  writer
    .uint(greeting.isCurrent ? 1 : 0)
    .uint(Math.floor(greeting.lastSyncMs))
    .uint(greeting.tombstones.length)
  for (const hash of greeting.tombstones) writeDigest(writer, hash)
  return writer.done()
}

export function decodeGreeting(reader: ByteReader): Greeting {
  const root = readDigest(reader)
  const isCurrent = reader.uint() === 1
  const lastSyncMs = reader.uint()
  return { root, isCurrent, lastSyncMs, tombstones: list(reader, 8, () => readDigest(reader)) }
}

export function encodeGreetingAnswer(version: number, answer: GreetingAnswer): Uint8Array {
  const writer = writeDigest(beginMessage(version), answer.root).uint(answer.isCurrent ? 1 : 0)
  writer
    .uint(Math.floor(answer.lastSyncMs))
    .uint(answer.isStale ? 1 : 0)
    .uint(answer.wanted.length)
  for (const index of answer.wanted) writer.uint(index)
  return writer.done()
}

export function decodeGreetingAnswer(reader: ByteReader): GreetingAnswer {
  const root = readDigest(reader)
  const isCurrent = reader.uint() === 1
  const lastSyncMs = reader.uint()
  const isStale = reader.uint() === 1
  return { root, isCurrent, lastSyncMs, isStale, wanted: list(reader, 1, () => reader.uint()) }
}

export const encodeBuckets = (version: number, buckets: Uint8Array): Uint8Array =>
  beginMessage(version, buckets.length + 1)
    .raw(buckets)
    .done()

export function decodeBuckets(reader: ByteReader): Uint8Array {
  return reader.raw(bucketCount * 8)
}

export function encodeEntries(version: number, buckets: readonly BucketEntries[]): Uint8Array {
  const writer = beginMessage(version).uint(buckets.length)
  for (const { bucket, entries } of buckets) {
    writer.uint(bucket).uint(entries.length)
    for (const { hash, digest } of entries) writeDigest(writeDigest(writer, hash), digest)
  }
  return writer.done()
}

export function decodeEntries(reader: ByteReader): BucketEntries[] {
  return list(reader, 2, () => {
    const bucket = reader.uint()
    if (bucket >= bucketCount) throw new MalformedBytes(`there is no bucket ${bucket}`)
    return { bucket, entries: list(reader, 16, () => ({ hash: readDigest(reader), digest: readDigest(reader) })) }
  })
}

export function encodePull(version: number, items: readonly PullItem[]): Uint8Array {
  const writer = beginMessage(version).uint(items.length)
  for (const { hash, stateVector } of items) writeDigest(writer, hash).bytes(stateVector)
  return writer.done()
}

export function decodePull(reader: ByteReader): PullItem[] {
  return list(reader, 9, () => ({ hash: readDigest(reader), stateVector: reader.bytes() }))
}

export function encodePulled(version: number, { documents, answered }: PullAnswer): Uint8Array {
  const writer = beginMessage(version).uint(answered).uint(documents.length)
  for (const { index, uid, key, update, stateVector } of documents) {
    writer.uint(index).text(uid).text(key).bytes(update).bytes(stateVector)
  }
  return writer.done()
}

export function decodePulled(reader: ByteReader): PullAnswer {
  const answered = reader.uint()
  const documents = list(reader, 5, () => ({
    index: reader.uint(),
    uid: reader.text(),
    key: reader.text(),
    update: reader.bytes(),
    stateVector: reader.bytes(),
  }))
  return { documents, answered }
}

/** Answer to pushed changes: tombstones of those documents that are deleted here. */
export function encodeTombstones(version: number, tombstones: readonly Tombstone[]): Uint8Array {
  const writer = beginMessage(version).uint(tombstones.length)
  for (const tombstone of tombstones) writeTombstone(writer, tombstone)
  return writer.done()
}

export function decodeTombstones(reader: ByteReader): Tombstone[] {
  return list(reader, 4, () => readTombstone(reader))
}
