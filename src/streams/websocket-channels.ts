import type { WebSocket } from 'ws'
import { createChannelCore } from './channel-core.ts'
import { channel, type Channels } from './channels.ts'

/** Subprotocols of remotecommand over WebSocket, the preferred first (KEP-4006). */
export const channelProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const

/** v5: `[255, n]` half-closes channel n. */
const closeSignal = 255
const sendHighWaterBytes = 1024 * 1024

/**
 * Remote command over a WebSocket: each binary message is one byte of channel number and the data. Only v5 can
 * half-close; in v4 the end of a channel is not told.
 */
export function webSocketChannels(socket: WebSocket): Channels {
  const halfCloses = socket.protocol === 'v5.channel.k8s.io'
  const core = createChannelCore({
    async send(number, data) {
      const message = Buffer.allocUnsafe(data.length + 1)
      message[0] = number
      message.set(data, 1)
      await sendMessage(socket, message)
    },
    async sendEnd(number) {
      // kubectl takes the signal for its own direction only: nobody half-closes stdout or stderr towards it.
      if (halfCloses && number === channel.stdin) await sendMessage(socket, Buffer.from([closeSignal, number]))
    },
    shut(error) {
      if (error) socket.close(1011, error.message.slice(0, 120))
      else socket.close(1000)
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  })
  socket.on('message', (message) => {
    const bytes = Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message as Buffer)
    const [number, target] = bytes
    if (number === undefined) return
    if (halfCloses && number === closeSignal) {
      if (target !== undefined) core.receive({ channel: target })
    } else core.receive({ channel: number, data: bytes.subarray(1) })
  })
  socket.on('close', () => core.receiveClose())
  socket.on('error', (error) => core.receiveClose(error))
  return core.channels
}

/** Sends one message and waits while the socket has more than its share buffered. */
export async function sendMessage(socket: WebSocket, message: Uint8Array): Promise<void> {
  const sent = Promise.withResolvers<void>()
  socket.send(message, { binary: true }, (error) => (error ? sent.reject(error) : sent.resolve()))
  if (socket.bufferedAmount > sendHighWaterBytes) await sent.promise
  else sent.promise.catch(() => undefined)
}
