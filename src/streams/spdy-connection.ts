import type { Duplex } from 'node:stream'
import {
  dataFrame,
  goAwayFrame,
  parseFrames,
  pingFrame,
  rstStreamFrame,
  synReplyFrame,
  windowUpdateFrame,
  type SpdyFrame,
} from './spdy-frames.ts'
import { createHeaderCodec, type SpdyHeaders } from './spdy-headers.ts'

/** One stream that the client opened. */
export interface SpdyStream {
  readonly id: number
  readonly headers: SpdyHeaders
  /** Resolves when there is room for more. */
  write(data: Uint8Array): Promise<void>
  /** Half-close. Idempotent. */
  end(): Promise<void>
  reset(): void
  /** `undefined` once the client half-closed. Called in order; set it before the current turn is over. */
  onData: (data: Uint8Array | undefined) => void
}

export interface SpdyConnection {
  /** Takes no more from the peer, all streams alike: they share one connection. */
  pause(): void
  resume(): void
  /** Says good-bye and closes. Idempotent. */
  close(): void
}

/** More than any kubectl holds open: a port-forward has two streams a connection. */
const maxStreams = 2000
const maxDataLength = 16 * 1024
const refusedStream = 3
const cancel = 5

/**
 * The server's end of SPDY/3.1. Send windows are not honoured: moby/spdystream, which every Go client uses, never
 * sends an update, and the TCP connection below holds us back anyway. Updates are sent, for peers that wait for them.
 */
export function serveSpdy(
  socket: Duplex,
  handlers: { onStream(stream: SpdyStream): void; onClose(error?: Error): void },
): SpdyConnection {
  const codec = createHeaderCodec()
  const streams = new Map<number, SpdyStream>()
  let rest: Buffer = Buffer.alloc(0)
  let work = Promise.resolve()
  let lastStream = 0
  let closed = false

  function shut(error?: Error): void {
    if (closed) return
    closed = true
    codec.close()
    for (const stream of streams.values()) stream.onData(undefined)
    streams.clear()
    handlers.onClose(error)
  }

  /** One wait for all streams that found the socket full. */
  let drained: Promise<void> | undefined

  async function write(bytes: Uint8Array): Promise<void> {
    if (closed || socket.destroyed) throw new Error('the connection is closed')
    if (socket.write(bytes)) return
    drained ??= new Promise<void>((resolve) => {
      const done = () => {
        socket.off('drain', done)
        socket.off('close', done)
        drained = undefined
        resolve()
      }
      socket.once('drain', done)
      socket.once('close', done)
    })
    await drained
  }

  const reply = (bytes: Uint8Array): void => void write(bytes).catch(() => undefined)

  function createStream(id: number, headers: SpdyHeaders): SpdyStream {
    let ended = false
    return {
      id,
      headers,
      onData: () => undefined,
      async write(data) {
        for (let at = 0; at < data.length; at += maxDataLength) {
          await write(dataFrame(id, data.subarray(at, at + maxDataLength), false))
        }
      },
      async end() {
        if (ended) return
        ended = true
        await write(dataFrame(id, new Uint8Array(), true))
      },
      reset() {
        streams.delete(id)
        reply(rstStreamFrame(id, cancel))
      },
    }
  }

  async function handle(frame: SpdyFrame): Promise<void> {
    switch (frame.type) {
      case 'syn-stream': {
        // Decoded even when refused: the compression state runs through every block.
        const headers = await codec.decode(frame.headerBlock)
        if (streams.size >= maxStreams) return reply(rstStreamFrame(frame.stream, refusedStream))
        const stream = createStream(frame.stream, headers)
        streams.set(frame.stream, stream)
        lastStream = frame.stream
        await write(synReplyFrame(frame.stream, await codec.encode({})))
        handlers.onStream(stream)
        if (frame.fin) stream.onData(undefined)
        return
      }
      case 'data': {
        const stream = streams.get(frame.stream)
        if (frame.data.length > 0) {
          stream?.onData(Buffer.from(frame.data))
          reply(windowUpdateFrame(frame.stream, frame.data.length))
          reply(windowUpdateFrame(0, frame.data.length))
        }
        if (frame.fin) stream?.onData(undefined)
        return
      }
      case 'rst-stream':
        streams.get(frame.stream)?.onData(undefined)
        streams.delete(frame.stream)
        return
      case 'ping':
        return reply(pingFrame(frame.id))
      case 'go-away':
      case 'syn-reply':
      case 'window-update':
      case 'other':
    }
  }

  socket.on('data', (chunk: Buffer) => {
    // In order and one at a time: decoding a header block takes a turn of the loop.
    work = work.then(async () => {
      const parsed = parseFrames(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]))
      rest = parsed.rest
      for (const frame of parsed.frames) if (!closed) await handle(frame)
    })
    work.catch((error: Error) => socket.destroy(error))
  })
  socket.on('end', () => void work.finally(() => shut()).catch(() => undefined))
  socket.on('close', () => shut())
  socket.on('error', (error) => shut(error))

  return {
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close() {
      if (closed) return
      reply(goAwayFrame(lastStream))
      socket.end()
    },
  }
}
