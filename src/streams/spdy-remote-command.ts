import type { Duplex } from 'node:stream'
import { createChannelCore, type ChannelCore } from './channel-core.ts'
import { channel, type Channels } from './channels.ts'
import { serveSpdy, type SpdyStream } from './spdy-connection.ts'

/** Which streams the client will open; `error` always comes too. */
export interface RemoteCommandStreams {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

/** Offered to SPDY clients in the X-Stream-Protocol-Version header, the preferred first. */
export const spdyProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
] as const

const numbers: Readonly<Record<string, number>> = {
  stdin: channel.stdin,
  stdout: channel.stdout,
  stderr: channel.stderr,
  error: channel.error,
  resize: channel.resize,
}

/**
 * Remote command over SPDY: one stream a channel, named by its `streamtype` header. Resolves once the client has
 * opened all of them; rejects when `signal` aborts first.
 */
export function spdyRemoteCommand(
  socket: Duplex,
  expected: RemoteCommandStreams,
  signal: AbortSignal,
): Promise<Channels> {
  const streams = new Map<number, SpdyStream>()
  const wanted = wantedChannels(expected)
  const ready = Promise.withResolvers<Channels>()
  const core: ChannelCore = createChannelCore({
    send: async (number, data) => streams.get(number)?.write(data),
    sendEnd: async (number) => streams.get(number)?.end(),
    shut: () => connection.close(),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
  })
  const connection = serveSpdy(socket, {
    onStream(stream) {
      const number = numbers[stream.headers['streamtype'] ?? '']
      if (number === undefined || streams.has(number)) return stream.reset()
      streams.set(number, stream)
      stream.onData = (data) => core.receive(data ? { channel: number, data } : { channel: number })
      if (wanted.every((one) => streams.has(one))) ready.resolve(core.channels)
    },
    onClose(error) {
      core.receiveClose(error)
      ready.reject(error ?? new Error('the client closed before it had opened its streams'))
    },
  })
  signal.addEventListener('abort', () => ready.reject(new Error('the client did not open its streams in time')), {
    once: true,
  })
  return ready.promise
}

function wantedChannels({ stdin, stdout, stderr, tty }: RemoteCommandStreams): number[] {
  return [
    channel.error,
    ...(stdin ? [channel.stdin] : []),
    ...(stdout ? [channel.stdout] : []),
    // A terminal has one output; clients open no stream for the other.
    ...(stderr && !tty ? [channel.stderr] : []),
    ...(tty ? [channel.resize] : []),
  ]
}
