import { assert } from '../lib/assert.ts'
import type { Channels, Frame } from '../streams/channels.ts'

/** Bytes and frames that may wait in one direction before its writer has to. */
const windowBytes = 256 * 1024
const windowFrames = 256

/** Two Channels that are each other's peer, in memory, with back-pressure: what one end writes the other reads. */
export function channelPair(): [Channels, Channels] {
  const closing = new AbortController()
  const there = createDirection()
  const back = createDirection()
  const close = (error?: Error) => {
    if (closing.signal.aborted) return
    there.close(error)
    back.close(error)
    closing.abort(error)
  }
  return [makeEnd(there, back, close, closing.signal), makeEnd(back, there, close, closing.signal)]
}

type Direction = ReturnType<typeof createDirection>

function makeEnd(out: Direction, into: Direction, close: (error?: Error) => void, closed: AbortSignal): Channels {
  const ended = new Set<number>()
  return {
    async write(channel, data) {
      assert(!ended.has(channel), `channel ${channel} has ended`)
      // The writer may reuse its buffer once the write has resolved.
      if (data.length > 0) await out.push({ channel, data: data.slice() })
    },
    async end(channel) {
      if (ended.has(channel) || closed.aborted) return
      ended.add(channel)
      await out.push({ channel })
    },
    frames: into.frames,
    close,
    closed,
  }
}

function createDirection() {
  const queue: Frame[] = []
  let queuedBytes = 0
  let closed = false
  let failure: Error | undefined
  let wakeReader = () => {}
  let wakeWriters: (() => void)[] = []

  const releaseWriters = () => {
    const woken = wakeWriters
    wakeWriters = []
    for (const wake of woken) wake()
  }

  const mustWait = () => !closed && (queuedBytes >= windowBytes || queue.length >= windowFrames)

  async function* read(): AsyncGenerator<Frame> {
    for (;;) {
      const frame = queue.shift()
      if (frame) {
        queuedBytes -= frame.data?.length ?? 0
        releaseWriters()
        yield frame
      } else if (closed) {
        if (failure) throw failure
        return
      } else await new Promise<void>((resolve) => (wakeReader = resolve))
    }
  }

  return {
    frames: { [Symbol.asyncIterator]: read } as AsyncIterable<Frame>,
    async push(frame: Frame): Promise<void> {
      while (mustWait()) {
        await new Promise<void>((resolve) => wakeWriters.push(resolve))
      }
      if (closed) throw failure ?? new Error('the peer is gone')
      queue.push(frame)
      queuedBytes += frame.data?.length ?? 0
      wakeReader()
    },
    /** What is queued is still delivered, then the end, or the error. */
    close(error?: Error): void {
      closed = true
      failure = error
      wakeReader()
      releaseWriters()
    },
  }
}
