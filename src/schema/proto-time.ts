import { Reader, type Writer } from 'protobufjs/minimal.js'

/** metav1.Time as a protobuf Timestamp: RFC 3339 text, with `decimals` digits of fraction, or undefined for zero. */
export function decodeTime(bytes: Uint8Array, decimals: 0 | 6): string | undefined {
  const reader = Reader.create(bytes)
  let seconds = 0
  let nanos = 0
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 1) seconds = Number(reader.int64())
    else if (tag >>> 3 === 2) nanos = reader.int32()
    else reader.skipType(tag & 7)
  }
  if (bytes.length === 0 || (seconds === 0 && nanos === 0)) return undefined
  if (Math.abs(seconds) > maxSeconds) throw new RangeError('timestamp out of range')
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return decimals === 0 ? `${whole}Z` : `${whole}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z`
}

/** The years that RFC 3339 can write. */
const maxSeconds = 253_402_300_799

export function encodeTime(text: string, writer: Writer): void {
  const milliseconds = Date.parse(text)
  if (Number.isNaN(milliseconds)) return
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? ''
  writer.uint32(8).int64(Math.floor(milliseconds / 1000))
  writer.uint32(16).int32(Number(fraction.padEnd(9, '0').slice(0, 9)))
}
