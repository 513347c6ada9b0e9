import { keyString, parseKey } from '../api/object.ts'
import { ByteWriter, MalformedBytes, type ByteReader } from '../store/bytes.ts'
import { readTombstone, writeTombstone } from '../store/record.ts'
import type { Change } from '../store/replica.ts'
import type { WireRange } from '../mesh/wire-range.ts'
import { deflate, inflate } from './deflate.ts'
import { beginMessage, openMessage } from './speech.ts'

/** First byte of the store's broadcasts: the topic is shared. */
const broadcastTag = 0x53

/** The most that a batch may be once inflated; against bombs. */
const inflatedLimitBytes = 16 * 2 ** 20

/** Some changes too large for a broadcast are named only, for receivers to fetch. */
export interface Announcement {
  readonly uid: string
}

/** What one broadcast carries. */
export interface Batch {
  /** Random, of this life of the author's process. */
  readonly epoch: number
  /** Counts the author's batches from 1: a gap tells of a lost one. */
  readonly sequence: number
  /** Author's wall clock, Unix ms. */
  readonly sentMs: number
  readonly changes: readonly Change[]
  readonly announced: readonly Announcement[]
}

/** `version` is of the wire format, here and below; `own` what this program reads. */
export function encodeChanges(version: number, changes: readonly Change[]): Uint8Array {
  const writer = beginMessage(version)
  writeChanges(writer, changes)
  return deflate(writer.done())
}

/** Throws on anything that is not a list of changes. */
export function decodeChanges(bytes: Uint8Array, own: WireRange): Change[] {
  return readChanges(open(bytes, own))
}

export function encodeBatch(version: number, batch: Batch): Uint8Array {
  const writer = beginMessage(version).uint(batch.epoch).uint(batch.sequence).uint(Math.floor(batch.sentMs))
  writeChanges(writer, batch.changes)
  writer.uint(batch.announced.length)
  for (const { uid } of batch.announced) writer.text(uid)
  const body = deflate(writer.done())
  return new ByteWriter(body.length + 1).uint(broadcastTag).raw(body).done()
}

/** The batch; undefined when the broadcast is not the store's. Throws on a malformed one. */
export function decodeBatch(bytes: Uint8Array, own: WireRange): Batch | undefined {
  if (bytes[0] !== broadcastTag) return undefined
  const reader = open(bytes.subarray(1), own)
  const [epoch, sequence, sentMs] = [reader.uint(), reader.uint(), reader.uint()]
  const changes = readChanges(reader)
  const announced = Array.from({ length: boundedCount(reader) }, () => ({ uid: reader.text() }))
  return { epoch, sequence, sentMs, changes, announced }
}

const open = (bytes: Uint8Array, own: WireRange): ByteReader =>
  openMessage(inflate(bytes, inflatedLimitBytes), own).reader

/** Every element takes a byte at least: a count above what is left is a lie. */
function boundedCount(reader: ByteReader): number {
  const count = reader.uint()
  if (count > reader.left) throw new MalformedBytes(`${count} elements announced in ${reader.left} bytes`)
  return count
}

function writeChanges(writer: ByteWriter, changes: readonly Change[]): void {
  writer.uint(changes.length)
  for (const change of changes) {
    if (change.type === 'tombstone') {
      writer.uint(1)
      writeTombstone(writer, change.tombstone)
    } else {
      writer.uint(0).text(keyString(change.key)).text(change.uid).bytes(change.update)
    }
  }
}

function readChanges(reader: ByteReader): Change[] {
  return Array.from({ length: boundedCount(reader) }, (): Change => {
    const type = reader.uint()
    if (type === 1) return { type: 'tombstone', tombstone: readTombstone(reader) }
    if (type !== 0) throw new MalformedBytes(`change of unknown type ${type}`)
    return { type: 'document', key: parseKey(reader.text()), uid: reader.text(), update: reader.bytes() }
  })
}

/** About what a change takes in a batch, before deflating. */
export const changeBytes = (change: Change): number =>
  change.type === 'tombstone' ? 200 : change.update.length + change.uid.length + change.key.name.length + 64
