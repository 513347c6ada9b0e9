import type { Channels, Frame } from './channels.ts'

/** What an adapter does with our side's frames. */
export interface ChannelTransport {
  /** Resolves when there is room for more. */
  send(channel: number, data: Uint8Array): Promise<void>
  sendEnd(channel: number): Promise<void>
  /** Ends the connection. Called once. */
  shut(error: Error | undefined): void
  /** The consumer lags behind: read no more until {@link resume}. */
  pause?(): void
  resume?(): void
}

/** The half of a Channels that its adapter feeds. */
export interface ChannelCore {
  readonly channels: Channels
  receive(frame: Frame): void
  /** The peer is gone: frames that came before are still delivered. */
  receiveClose(error?: Error): void
}

/** A consumer that is this far behind stops the transport. */
const highWaterBytes = 256 * 1024

/** Queue, half-close and tear-down, which every adapter needs alike. */
export function createChannelCore(transport: ChannelTransport): ChannelCore {
  const closed = new AbortController()
  const ended = new Set<number>()
  let pending: Frame[] = []
  let pendingBytes = 0
  let paused = false
  let finished = false
  let failure: Error | undefined
  let wake: (() => void) | undefined

  function finish(error: Error | undefined): void {
    if (finished) return
    finished = true
    failure = error
    wake?.()
  }

  async function* read(): AsyncGenerator<Frame> {
    while (true) {
      const frame = pending.shift()
      if (frame) {
        pendingBytes -= frame.data?.length ?? 0
        if (paused && pendingBytes < highWaterBytes / 2) {
          paused = false
          transport.resume?.()
        }
        yield frame
      } else if (finished) {
        if (failure) throw failure
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = undefined
      }
    }
  }

  const channels: Channels = {
    frames: { [Symbol.asyncIterator]: read },
    closed: closed.signal,
    async write(channel, data) {
      if (closed.signal.aborted) throw failure ?? new Error('the stream is closed')
      if (data.length > 0) await transport.send(channel, data)
    },
    async end(channel) {
      if (closed.signal.aborted || ended.has(channel)) return
      ended.add(channel)
      await transport.sendEnd(channel)
    },
    close(error) {
      if (closed.signal.aborted) return
      pending = []
      pendingBytes = 0
      finish(error)
      closed.abort(error)
      transport.shut(error)
    },
  }

  return {
    channels,
    receive(frame) {
      if (finished) return
      pending.push(frame)
      pendingBytes += frame.data?.length ?? 0
      if (!paused && pendingBytes > highWaterBytes) {
        paused = true
        transport.pause?.()
      }
      wake?.()
    },
    receiveClose(error) {
      if (closed.signal.aborted) return
      finish(error)
      closed.abort(error)
    },
  }
}
