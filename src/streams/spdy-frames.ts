/** SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00 §2.2), the part that remote command and port-forward use. */
export type SpdyFrame =
  | { type: 'data'; stream: number; fin: boolean; data: Buffer }
  | { type: 'syn-stream'; stream: number; fin: boolean; headerBlock: Buffer }
  | { type: 'syn-reply'; stream: number; fin: boolean; headerBlock: Buffer }
  | { type: 'rst-stream'; stream: number; status: number }
  | { type: 'ping'; id: number }
  | { type: 'go-away' }
  | { type: 'window-update'; stream: number; delta: number }
  /** Settings, headers of a running stream, and what else the peers of ours have no use for. */
  | { type: 'other'; code: number }

const version = 3
const headLength = 8
const finFlag = 1
/** Far above what clients send: a longer frame is no SPDY. */
const maxFrameLength = 4 * 1024 * 1024
const idMask = 0x7fff_ffff

const codes = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7, windowUpdate: 9 } as const

/** The frames that are complete in `bytes`, and the rest. Throws on what cannot be SPDY/3. */
export function parseFrames(bytes: Buffer): { frames: SpdyFrame[]; rest: Buffer } {
  const frames: SpdyFrame[] = []
  let at = 0
  while (bytes.length - at >= headLength) {
    const length = bytes.readUIntBE(at + 5, 3)
    if (length > maxFrameLength) throw new Error(`SPDY frame of ${length} bytes`)
    if (bytes.length - at < headLength + length) break
    frames.push(
      parseFrame(bytes.subarray(at, at + headLength), bytes.subarray(at + headLength, at + headLength + length)),
    )
    at += headLength + length
  }
  return { frames, rest: bytes.subarray(at) }
}

function parseFrame(head: Buffer, body: Buffer): SpdyFrame {
  const word = head.readUInt32BE(0)
  const fin = ((head[4] ?? 0) & finFlag) !== 0
  if (word >>> 31 === 0) return { type: 'data', stream: word & idMask, fin, data: body }
  if (((word >>> 16) & 0x7fff) !== version) throw new Error(`SPDY version ${(word >>> 16) & 0x7fff}`)
  const code = word & 0xffff
  switch (code) {
    case codes.synStream:
      return { type: 'syn-stream', stream: body.readUInt32BE(0) & idMask, fin, headerBlock: body.subarray(10) }
    case codes.synReply:
      return { type: 'syn-reply', stream: body.readUInt32BE(0) & idMask, fin, headerBlock: body.subarray(4) }
    case codes.rstStream:
      return { type: 'rst-stream', stream: body.readUInt32BE(0) & idMask, status: body.readUInt32BE(4) }
    case codes.ping:
      return { type: 'ping', id: body.readUInt32BE(0) }
    case codes.goAway:
      return { type: 'go-away' }
    case codes.windowUpdate:
      return { type: 'window-update', stream: body.readUInt32BE(0) & idMask, delta: body.readUInt32BE(4) & idMask }
    default:
      return { type: 'other', code }
  }
}

export function dataFrame(stream: number, data: Uint8Array, fin: boolean): Buffer {
  const head = Buffer.alloc(headLength)
  head.writeUInt32BE(stream, 0)
  head[4] = fin ? finFlag : 0
  head.writeUIntBE(data.length, 5, 3)
  return Buffer.concat([head, data])
}

export const synStreamFrame = (stream: number, headerBlock: Uint8Array): Buffer =>
  control(codes.synStream, Buffer.concat([uint32s(stream, 0), Buffer.alloc(2), headerBlock]))
export const synReplyFrame = (stream: number, headerBlock: Uint8Array): Buffer =>
  control(codes.synReply, Buffer.concat([uint32s(stream), headerBlock]))
export const rstStreamFrame = (stream: number, status: number): Buffer =>
  control(codes.rstStream, uint32s(stream, status))
export const pingFrame = (id: number): Buffer => control(codes.ping, uint32s(id))
export const goAwayFrame = (lastStream: number): Buffer => control(codes.goAway, uint32s(lastStream, 0))
export const windowUpdateFrame = (stream: number, delta: number): Buffer =>
  control(codes.windowUpdate, uint32s(stream, delta))

function control(code: number, body: Buffer): Buffer {
  const head = Buffer.alloc(headLength)
  head.writeUInt16BE(0x8000 | version, 0)
  head.writeUInt16BE(code, 2)
  head.writeUIntBE(body.length, 5, 3)
  return Buffer.concat([head, body])
}

function uint32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, at * 4)
  return bytes
}
