import { assert } from '../lib/assert.ts'
import type { Channels, Frame } from '../streams/channels.ts'
import { encodeFrame, readFrames } from './framing.ts'
import { decodeStatus, encodeStatus, toStatusError } from './link-frames.ts'
import type { MeshStream } from './mesh.ts'

/** Bytes of data in one frame; larger writes are cut, so that channels share the stream. */
const maxDataLength = 64 * 1024

const kinds = { data: 0, end: 1, failure: 2 } as const

/**
 * Channels over one stream between nodes. Frame: kind (1), channel (1), data; a failure carries the JSON of a
 * `metav1.Status` and ends the exchange. Back-pressure is the stream's own: the channels share it, because they have
 * one consumer.
 */
export function streamChannels(stream: MeshStream): Channels {
  const closing = new AbortController()
  const ended = new Set<number>()
  if (stream.closed.aborted) closing.abort(stream.closed.reason)
  else stream.closed.addEventListener('abort', () => closing.abort(stream.closed.reason), { once: true })

  async function* read(): AsyncGenerator<Frame> {
    try {
      for await (const bytes of readFrames(stream.source, maxDataLength + 2)) {
        const channel = bytes[1] ?? 0
        if (bytes[0] === kinds.data) yield { channel, data: bytes.subarray(2) }
        else if (bytes[0] === kinds.end) yield { channel }
        else if (bytes[0] === kinds.failure) throw decodeStatus(bytes.subarray(2))
        else throw new Error(`unknown frame kind ${bytes[0]}`)
      }
      // The peer has closed everything; answers have nobody to go to.
      stream.close()
      closing.abort()
    } catch (error) {
      // Our own close ends the reading; that is no error of the peer's.
      if (closing.signal.aborted && !stream.closed.aborted) return
      stream.close()
      closing.abort(error)
      throw error
    }
  }

  async function closeWith(error: Error): Promise<void> {
    try {
      const failure = encodeStatus(toStatusError(error)).subarray(0, maxDataLength)
      await stream.write(encodeFrame(Uint8Array.of(kinds.failure, 0), failure))
      stream.close()
    } catch (cause) {
      stream.close(cause as Error)
    }
  }

  return {
    async write(channel, data) {
      assert(!ended.has(channel), `channel ${channel} has ended`)
      for (let offset = 0; offset < data.length; offset += maxDataLength) {
        if (closing.signal.aborted) throw new Error('the peer is gone')
        const part = data.subarray(offset, offset + maxDataLength)
        await stream.write(encodeFrame(Uint8Array.of(kinds.data, channel), part))
      }
    },
    async end(channel) {
      if (ended.has(channel) || closing.signal.aborted) return
      ended.add(channel)
      await stream.write(encodeFrame(Uint8Array.of(kinds.end, channel)))
    },
    frames: { [Symbol.asyncIterator]: read },
    close(error) {
      if (closing.signal.aborted) return
      closing.abort(error)
      if (!error) return stream.close()
      void closeWith(error)
    },
    closed: closing.signal,
  }
}
