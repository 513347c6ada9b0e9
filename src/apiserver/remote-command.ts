import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import { channel, type Channels } from '../streams/channels.ts'
import { spdyProtocols, spdyRemoteCommand, type RemoteCommandStreams } from '../streams/spdy-remote-command.ts'
import { channelProtocols, webSocketChannels } from '../streams/websocket-channels.ts'
import { channelCodec, sendMessage } from '../streams/websocket-codec.ts'
import { header, type Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'

const openTimeoutMs = 30_000

/** Takes over the connection of an exec or attach in whichever protocol the client speaks. Throws BadRequest. */
export async function acceptRemoteCommand(
  exchange: Exchange,
  upgrade: Upgrade,
  streams: RemoteCommandStreams,
  clock: Clock,
): Promise<Channels> {
  if (isWebSocketUpgrade(exchange)) {
    const socket = await acceptWebSocket(exchange, upgrade, channelProtocols)
    const channels = webSocketChannels(socket)
    // Tells the client that the other end stands before there is any output. Those who speak v5 need no telling, and
    // kubectl may hear it before it has made its streams: then it complains of an unknown one.
    if (!socket.protocol.startsWith('v5.')) {
      const first = streams.stdout ? channel.stdout : streams.stderr ? channel.stderr : channel.error
      await sendMessage(socket, channelCodec(socket.protocol).encode(first, new Uint8Array()))
    }
    return channels
  }
  const offered = (header(exchange.request, 'x-stream-protocol-version') ?? '').split(',').map((one) => one.trim())
  const protocol = spdyProtocols.find((one) => offered.includes(one))
  if (!isSpdyUpgrade(exchange)) throw errors.badRequest('unable to upgrade: unknown protocol')
  if (!protocol) throw errors.badRequest(`unable to upgrade: none of ${offered.join(', ')} is supported`)
  const socket = acceptSpdy(exchange, upgrade, protocol)
  const late = new AbortController()
  const timer = clock.after(openTimeoutMs, () => late.abort())
  try {
    return await spdyRemoteCommand(socket, streams, late.signal)
  } catch (error) {
    socket.destroy(error as Error)
    throw error
  } finally {
    timer.cancel()
  }
}

export function isWebSocketUpgrade(exchange: Exchange): boolean {
  return /^websocket$/i.test(header(exchange.request, 'upgrade') ?? '')
}

export function isSpdyUpgrade(exchange: Exchange): boolean {
  return /^spdy\/3\.1$/i.test(header(exchange.request, 'upgrade') ?? '')
}

// The library refuses a slash in a subprotocol (RFC 6455 wants a token); Kubernetes has one. It is hidden on the way in
// and shown again in the answer.
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'
const tunnelAlias = 'SPDY-3.1+portforward.k8s.io'

export const portForwardTunnel = tunnelAlias

/**
 * Completes a WebSocket handshake with the first of the client's protocols that is one of ours; '' stands for a client
 * that offers none. Throws BadRequest.
 */
export async function acceptWebSocket(
  exchange: Exchange,
  { socket, head }: Upgrade,
  protocols: readonly string[],
): Promise<WebSocket> {
  const request = exchange.request as Parameters<WebSocketServer['handleUpgrade']>[0]
  const offered = (header(exchange.request, 'sec-websocket-protocol') ?? '').replace(tunnelProtocol, tunnelAlias)
  const names = offered.split(',').map((one) => one.trim())
  const chosen = names.find((one) => protocols.includes(one))
  if (chosen === undefined)
    throw errors.badRequest(
      `unable to upgrade: none of the subprotocols ${offered} is supported; use one of ${protocols.filter(Boolean).join(', ')}`,
    )
  if (offered) request.headers['sec-websocket-protocol'] = offered
  releaseSocket(exchange, socket)
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: 16 * 1024 * 1024,
    perMessageDeflate: false,
    handleProtocols: () => chosen,
  })
  server.on('headers', (lines) => {
    for (const [at, line] of lines.entries()) lines[at] = line.replace(tunnelAlias, tunnelProtocol)
  })
  return new Promise((resolve) => server.handleUpgrade(request, socket, head, resolve))
}

/** Answers 101 to a SPDY upgrade; what comes after on the socket is frames. */
export function acceptSpdy(exchange: Exchange, { socket, head }: Upgrade, protocol: string): Duplex {
  releaseSocket(exchange, socket)
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${protocol}`,
      '',
      '',
    ].join('\r\n'),
  )
  if (head.length > 0) socket.unshift(head)
  return socket
}

/** From here on the connection is not the response's any more. */
export function releaseSocket(exchange: Exchange, socket: Duplex): void {
  const response = exchange.response as ServerResponse
  response.detachSocket(socket as never)
  socket.once('close', () => response.emit('close'))
}
