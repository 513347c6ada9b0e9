/** One piece of a multiplexed Docker stream. */
export interface StreamFrame {
  readonly stream: 'stdout' | 'stderr'
  readonly data: Uint8Array
}

const headerBytes = 8

/**
 * Takes Docker's framing off (Engine API, "Stream format"): 1 byte stream, 3 unused, 4 length, big endian. Pieces come
 * as they arrive and need not be whole frames unless `whole` asks for it (logs: one frame is one write).
 */
export async function* demultiplex(
  source: AsyncIterable<Uint8Array>,
  whole: boolean,
): AsyncGenerator<StreamFrame, void, void> {
  let pending = Buffer.alloc(0)
  let stream: StreamFrame['stream'] = 'stdout'
  let remaining = 0
  for await (const chunk of source) {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk])
    for (;;) {
      if (remaining === 0) {
        if (pending.length < headerBytes) break
        stream = pending[0] === 2 ? 'stderr' : 'stdout'
        remaining = pending.readUInt32BE(4)
        pending = pending.subarray(headerBytes)
        continue
      }
      if (pending.length === 0 || (whole && pending.length < remaining)) break
      const data = pending.subarray(0, remaining)
      pending = pending.subarray(data.length)
      remaining -= data.length
      yield { stream, data }
    }
  }
}

/** A terminal has one stream and no frames. */
export async function* undivided(source: AsyncIterable<Uint8Array>): AsyncGenerator<StreamFrame, void, void> {
  for await (const chunk of source) yield { stream: 'stdout', data: chunk }
}

/** Cuts a byte stream into lines that keep their line feed; the last one may lack it. */
export async function* lines(source: AsyncIterable<StreamFrame>): AsyncGenerator<StreamFrame, void, void> {
  let pending = Buffer.alloc(0)
  for await (const { data } of source) {
    pending = Buffer.concat([pending, data])
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10)) {
      yield { stream: 'stdout', data: pending.subarray(0, end + 1) }
      pending = pending.subarray(end + 1)
    }
  }
  if (pending.length > 0) yield { stream: 'stdout', data: pending }
}
