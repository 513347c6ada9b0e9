import type { Status } from '../api/kinds.ts'
import type { WebSocket } from 'ws'
import { createChannelCore } from './channel-core.ts'
import { channel, type Channels } from './channels.ts'
import { channelCodec, sendMessage } from './websocket-codec.ts'

/**
 * Subprotocols of remotecommand over WebSocket: v5 and v4 (KEP-4006), those before them, which tell of a failure in
 * plain text and of a success by closing, and none at all, which is as `channel.k8s.io`.
 */
export const channelProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  '',
] as const

/** v5: `[255, n]` half-closes channel n. */
const closeSignal = 255

/** Remote command over a WebSocket. Only v5 can half-close; in the others the end of a channel is not told. */
export function webSocketChannels(socket: WebSocket): Channels {
  const codec = channelCodec(socket.protocol)
  const halfCloses = socket.protocol.startsWith('v5.')
  const tellsStatus = /^v[45]\./.test(socket.protocol)
  const core = createChannelCore({
    async send(number, data) {
      const told = number === channel.error && !tellsStatus ? failureOf(data) : data
      if (told) await sendMessage(socket, codec.encode(number, told))
    },
    async sendEnd(number) {
      // kubectl takes the signal for its own direction only: nobody half-closes stdout or stderr towards it.
      if (halfCloses && number === channel.stdin)
        await sendMessage(socket, codec.encode(closeSignal, Uint8Array.of(number)))
    },
    shut(error) {
      if (error) socket.close(1011, error.message.slice(0, 120))
      else socket.close(1000)
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  })
  socket.on('message', (message) => {
    const frame = codec.decode(message)
    if (!frame) return
    if (halfCloses && frame.channel === closeSignal) {
      const [target] = frame.data
      if (target !== undefined) core.receive({ channel: target })
    } else core.receive(frame)
  })
  socket.on('close', () => core.receiveClose())
  socket.on('error', (error) => core.receiveClose(error))
  return core.channels
}

/** What the oldest protocols say of the Status that ends a command: its message, or nothing of a success. */
function failureOf(status: Uint8Array): Uint8Array | undefined {
  const { status: outcome, message = '' } = JSON.parse(Buffer.from(status).toString()) as Status
  return outcome === 'Success' ? undefined : Buffer.from(message)
}
