/** Length prefix of a frame: unsigned 32 bit, big endian. */
const prefixLength = 4

/** One frame: the length of all parts together, then the parts. */
export function encodeFrame(...parts: readonly Uint8Array[]): Uint8Array {
  const bodyLength = parts.reduce((sum, part) => sum + part.length, 0)
  const frame = new Uint8Array(prefixLength + bodyLength)
  new DataView(frame.buffer).setUint32(0, bodyLength)
  let offset = prefixLength
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.length
  }
  return frame
}

/**
 * Cuts a byte stream into the frames that {@link encodeFrame} made, however the network cut it. Throws on a frame
 * above `maxLength`, so that a peer cannot make us hold more than that, and on a stream that ends inside a frame.
 */
export async function* readFrames(source: AsyncIterable<Uint8Array>, maxLength: number): AsyncGenerator<Uint8Array> {
  const pending: Uint8Array[] = []
  let pendingLength = 0
  let bodyLength = -1
  for await (const chunk of source) {
    pending.push(chunk)
    pendingLength += chunk.length
    for (;;) {
      if (bodyLength < 0) {
        if (pendingLength < prefixLength) break
        const prefix = take(pending, prefixLength)
        pendingLength -= prefixLength
        bodyLength = new DataView(prefix.buffer, prefix.byteOffset, prefixLength).getUint32(0)
        if (bodyLength > maxLength) throw new Error(`frame of ${bodyLength} bytes exceeds the limit of ${maxLength}`)
      }
      if (pendingLength < bodyLength) break
      const body = take(pending, bodyLength)
      pendingLength -= bodyLength
      bodyLength = -1
      yield body
    }
  }
  if (pendingLength > 0 || bodyLength >= 0) throw new Error('stream ended inside a frame')
}

/** Removes `length` bytes from the front of `chunks`, which hold at least as many. */
function take(chunks: Uint8Array[], length: number): Uint8Array {
  const first = chunks[0]
  if (first !== undefined && first.length > length) {
    chunks[0] = first.subarray(length)
    return first.subarray(0, length)
  }
  if (first !== undefined && first.length === length) {
    chunks.shift()
    return first
  }
  const taken = new Uint8Array(length)
  let offset = 0
  while (offset < length) {
    const chunk = chunks[0]
    if (chunk === undefined) throw new RangeError('fewer bytes than promised')
    const part = chunk.subarray(0, length - offset)
    taken.set(part, offset)
    offset += part.length
    if (part.length === chunk.length) chunks.shift()
    else chunks[0] = chunk.subarray(part.length)
  }
  return taken
}

/**
 * The first frame of a stream and what follows it. A stream's header is read this way, the rest being for whoever the
 * header names.
 */
export async function splitFirstFrame(
  source: AsyncIterable<Uint8Array>,
  maxLength: number,
): Promise<{ first: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]()
  let gathered = new Uint8Array(0)
  for (;;) {
    const view = new DataView(gathered.buffer, gathered.byteOffset, gathered.length)
    const length = gathered.length >= prefixLength ? view.getUint32(0) : undefined
    if (length !== undefined && length > maxLength) throw new Error(`frame of ${length} bytes exceeds ${maxLength}`)
    if (length !== undefined && gathered.length >= prefixLength + length) {
      const rest = gathered.subarray(prefixLength + length)
      return { first: gathered.subarray(prefixLength, prefixLength + length), rest: prepend(rest, iterator) }
    }
    const next = await iterator.next()
    if (next.done) throw new Error('stream ended inside a frame')
    gathered = concat(gathered, next.value)
  }
}

async function* prepend(first: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first
  for (;;) {
    const next = await iterator.next()
    if (next.done) return
    yield next.value
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}
