import { deflateRawSync, inflateRawSync } from 'node:zlib'

/*
 * Raw DEFLATE (RFC 1951). Most messages carry one small write: for those a stored block, which every inflater reads, costs
 * a few hundred bytes on the wire and saves forty microseconds at the sender and ten at each receiver.
 */

/** Larger ones are worth compressing. */
const storedLimitBytes = 1024
const storedHeadBytes = 5
/** Last block (1), not compressed (00). */
const lastStored = 1

export function deflate(bytes: Uint8Array): Uint8Array {
  if (bytes.length > storedLimitBytes) return deflateRawSync(bytes, { level: 1 })
  const stored = new Uint8Array(storedHeadBytes + bytes.length)
  const { length } = bytes
  stored.set([lastStored, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff])
  stored.set(bytes, storedHeadBytes)
  return stored
}

/** Throws on what is not deflated, and on more than `limitBytes`: against bombs. May be a view of the input. */
export function inflate(bytes: Uint8Array, limitBytes: number): Uint8Array {
  return isStored(bytes) ? bytes.subarray(storedHeadBytes) : inflateRawSync(bytes, { maxOutputLength: limitBytes })
}

/** One stored block and nothing else; whatever else there is, zlib reads. */
function isStored(bytes: Uint8Array): boolean {
  const [head, low = 0, high = 0, notLow = 0, notHigh = 0] = bytes
  const length = low | (high << 8)
  return (
    head === lastStored &&
    length <= storedLimitBytes &&
    bytes.length === storedHeadBytes + length &&
    (notLow | (notHigh << 8)) === (~length & 0xffff)
  )
}
