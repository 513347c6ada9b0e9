import type { Duplex } from 'node:stream'
import { underSignals } from '../../lib/under-signals.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { StreamOptions } from '../runtime.ts'
import { demultiplex, undivided } from './stream-frames.ts'

/**
 * Joins a hijacked Docker connection with channels: stdin and window sizes inwards, output outwards, with back-pressure
 * both ways. Resolves when the process closed its output; rejects when the peer leaves before that.
 */
export function joinStreams(
  socket: Duplex,
  options: StreamOptions,
  channels: Channels,
  resize: (columns: number, rows: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  return underSignals([signal, channels.closed], (stopped) => join(socket, options, channels, resize, stopped))
}

async function join(
  socket: Duplex,
  options: StreamOptions,
  channels: Channels,
  resize: (columns: number, rows: number) => Promise<void>,
  stopped: AbortSignal,
): Promise<void> {
  stopped.addEventListener('abort', () => socket.destroy(), { once: true })
  socket.on('error', () => {})
  const input = pumpInput(socket, options, channels, resize).catch(() => {})
  try {
    const frames = options.tty ? undivided(socket) : demultiplex(socket, false)
    for await (const { stream, data } of frames) {
      if (stream === 'stdout' ? options.stdout : options.stderr) await channels.write(channel[stream], data)
    }
    stopped.throwIfAborted()
  } catch (error) {
    // Why the connection was closed says more than that it was.
    stopped.throwIfAborted()
    throw error
  } finally {
    socket.destroy()
    // The pump ends with the channels; it is not waited for, because the peer may keep its stdin open.
    void input
  }
}

async function pumpInput(
  socket: Duplex,
  options: StreamOptions,
  channels: Channels,
  resize: (columns: number, rows: number) => Promise<void>,
): Promise<void> {
  for await (const frame of channels.frames) {
    if (frame.channel === channel.stdin && options.stdin) {
      if (frame.data === undefined) socket.end()
      else if (frame.data.length > 0 && !socket.destroyed && !socket.write(frame.data)) await drained(socket)
    } else if (frame.channel === channel.resize && frame.data !== undefined && options.tty) {
      const size = parseSize(frame.data)
      // A process that has just ended cannot be resized; its end is reported elsewhere.
      if (size !== undefined) await resize(size.columns, size.rows).catch(() => {})
    }
  }
  if (options.stdin && !socket.destroyed) socket.end()
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}

/** The resize channel carries `{"Width":80,"Height":24}`, one document a frame. */
function parseSize(data: Uint8Array): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(Buffer.from(data).toString()) as { Width: number; Height: number }
    return Number.isInteger(Width) && Number.isInteger(Height) ? { columns: Width, rows: Height } : undefined
  } catch {
    return undefined
  }
}
