import { parseExact } from '../lib/exact-json.ts'
import type { Entry, RaftConfig } from '../raft/core/types.ts'

const kinds = ['noop', 'data', 'config'] as const
const headerBytes = 17
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const nothing = new Uint8Array()

/** One log entry as bytes: kind (1), index (8), term (8), payload. Used on disk and on the wire. */
export function encodeEntry(entry: Entry): Uint8Array {
  const payload =
    entry.kind === 'data'
      ? entry.data
      : entry.kind === 'config'
        ? encoder.encode(JSON.stringify(entry.config))
        : nothing
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, kinds.indexOf(entry.kind))
  view.setBigUint64(1, BigInt(entry.index))
  view.setBigUint64(9, BigInt(entry.term))
  bytes.set(payload, headerBytes)
  return bytes
}

/** Reverse of {@link encodeEntry}. Throws on an unknown kind: a newer version wrote it. */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (bytes.length < headerBytes) throw new Error(`log entry of ${bytes.length} bytes is cut off`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kind = kinds[view.getUint8(0)]
  const index = Number(view.getBigUint64(1))
  const term = Number(view.getBigUint64(9))
  const payload = bytes.subarray(headerBytes)
  switch (kind) {
    case 'noop':
      return { kind, index, term }
    case 'data':
      return { kind, index, term, data: new Uint8Array(payload) }
    case 'config':
      return { kind, index, term, config: JSON.parse(decoder.decode(payload)) as RaftConfig }
    default:
      throw new Error(`log entry ${index} is of unknown kind ${view.getUint8(0)}: written by a newer version?`)
  }
}

/** A JSON header and binary parts in one buffer: header length (4), header, then each part by its length (4). */
export function packParts(header: unknown, parts: readonly Uint8Array[]): Uint8Array {
  const head = encoder.encode(JSON.stringify(header))
  let size = 4 + head.length
  for (const part of parts) size += 4 + part.length
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of [head, ...parts]) {
    view.setUint32(at, part.length)
    bytes.set(part, at + 4)
    at += 4 + part.length
  }
  return bytes
}

/** Reverse of {@link packParts}; throws when the bytes are cut off. */
export function unpackParts<Header>(bytes: Uint8Array): { header: Header; parts: Uint8Array[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at)
    if (at + 4 + length > bytes.length) throw new Error('message is cut off')
    parts.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  const [head, ...rest] = parts
  if (!head) throw new Error('message is empty')
  return { header: parseExact(decoder.decode(head)) as Header, parts: rest }
}
