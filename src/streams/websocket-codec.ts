import type { RawData, WebSocket } from 'ws'

/** How messages carry a channel's number and its data; see {@link channelCodec}. */
export interface ChannelCodec {
  encode(channel: number, data: Uint8Array): Uint8Array | string
  /** Undefined for a message without a channel. */
  decode(message: RawData): { channel: number; data: Uint8Array } | undefined
}

/**
 * The two forms of Kubernetes' channel protocols: binary messages of one byte of channel number and the data, or, for
 * clients that speak only text, messages of one digit and the data in base64 (k8s.io/apiserver's wsstream).
 */
export function channelCodec(protocol: string): ChannelCodec {
  return protocol.includes('base64.') ? base64 : binary
}

const binary: ChannelCodec = {
  encode(channel, data) {
    const message = Buffer.allocUnsafe(data.length + 1)
    message[0] = channel
    message.set(data, 1)
    return message
  },
  decode(message) {
    const bytes = bytesOf(message)
    const [channel] = bytes
    return channel === undefined ? undefined : { channel, data: bytes.subarray(1) }
  },
}

const base64: ChannelCodec = {
  encode: (channel, data) => `${channel}${Buffer.from(data).toString('base64')}`,
  decode(message) {
    const text = bytesOf(message).toString('latin1')
    return /^\d/.test(text) ? { channel: Number(text[0]), data: Buffer.from(text.slice(1), 'base64') } : undefined
  },
}

const bytesOf = (message: RawData): Buffer =>
  Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message as Buffer)

const sendHighWaterBytes = 1024 * 1024

/** Sends one message, text as text; waits while the socket has more than its share buffered. */
export async function sendMessage(socket: WebSocket, message: Uint8Array | string): Promise<void> {
  const sent = Promise.withResolvers<void>()
  socket.send(message, { binary: typeof message !== 'string' }, (error) =>
    error ? sent.reject(error) : sent.resolve(),
  )
  if (socket.bufferedAmount > sendHighWaterBytes) await sent.promise
  else sent.promise.catch(() => undefined)
}
