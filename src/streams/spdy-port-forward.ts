import type { Duplex } from 'node:stream'
import { createChannelCore, type ChannelCore } from './channel-core.ts'
import type { Channels } from './channels.ts'
import { serveSpdy, type SpdyStream } from './spdy-connection.ts'

export const portForwardProtocol = 'portforward.k8s.io'

interface Pair {
  data?: SpdyStream
  error?: SpdyStream
  core?: ChannelCore
}

/**
 * Port-forward over SPDY: each forwarded connection is a pair of streams, `data` and `error`, with the same
 * `requestid` and `port` headers. Calls `onConnection` for each pair with its Channels (0 data, 1 error text).
 */
export function spdyPortForward(
  socket: Duplex,
  handlers: { onConnection(port: number, channels: Channels): void; onClose(): void },
): { close(): void } {
  const pairs = new Map<string, Pair>()

  function drop(id: string): void {
    const pair = pairs.get(id)
    pairs.delete(id)
    pair?.core?.receiveClose()
  }

  const connection = serveSpdy(socket, {
    onStream(stream) {
      const { streamtype: type, requestid = '', port = '' } = stream.headers
      const number = Number(port)
      if ((type !== 'data' && type !== 'error') || !Number.isInteger(number) || number < 1 || number > 65_535)
        return stream.reset()
      // Clients of old name no request: the pair is then known by the data stream's number, two after the error's.
      const id = requestid || String(type === 'error' ? stream.id : stream.id - 2)
      const pair = pairs.get(id) ?? {}
      pairs.set(id, pair)
      pair[type] = stream
      if (!pair.data || !pair.error || pair.core) return
      handlers.onConnection(number, open(id, pair, pair.data, pair.error))
    },
    onClose() {
      for (const id of pairs.keys()) drop(id)
      handlers.onClose()
    },
  })

  function open(id: string, pair: Pair, data: SpdyStream, error: SpdyStream): Channels {
    const core = createChannelCore({
      send: (number, bytes) => (number === 0 ? data : error).write(bytes),
      sendEnd: (number) => (number === 0 ? data : error).end(),
      shut() {
        pairs.delete(id)
        void Promise.allSettled([data.end(), error.end()])
      },
      // One slow connection must not stop the others: its bytes wait in memory, as in kube-apiserver.
    })
    pair.core = core
    data.onData = (bytes) => core.receive(bytes ? { channel: 0, data: bytes } : { channel: 0 })
    return core.channels
  }

  return { close: () => connection.close() }
}
