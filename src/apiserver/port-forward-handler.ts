import type { WebSocket } from 'ws'
import { errors } from '../api/status-error.ts'
import { createChannelCore, type ChannelCore } from '../streams/channel-core.ts'
import type { Channels } from '../streams/channels.ts'
import { joinChannels } from '../streams/join.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { portForwardProtocol, spdyPortForward } from '../streams/spdy-port-forward.ts'
import { channelCodec, sendMessage } from '../streams/websocket-codec.ts'
import { webSocketDuplex } from '../streams/websocket-duplex.ts'
import { header, type Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { acceptSpdy, acceptWebSocket, isSpdyUpgrade, isWebSocketUpgrade, portForwardTunnel } from './remote-command.ts'

const maxPorts = 64
const portForwardProtocols = [portForwardTunnel, 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', '']

/**
 * Port-forward in its three forms: SPDY, SPDY in a WebSocket (KEP-4006), and plain WebSocket channels for the ports of
 * the query. Resolves when the client is gone.
 */
export async function servePortForward(
  nodes: NodeAccess,
  node: string,
  about: { namespace: string; pod: string; uid: string },
  exchange: Exchange,
  upgrade: Upgrade | undefined,
): Promise<void> {
  if (!upgrade) throw errors.badRequest('Upgrade request required')
  const { signal } = exchange.context
  const connect = (port: number) => nodes.open(node, { kind: 'portForward', ...about, port }, signal)

  if (isWebSocketUpgrade(exchange)) {
    const socket = await acceptWebSocket(exchange, upgrade, portForwardProtocols)
    if (socket.protocol === portForwardTunnel) return forwardSpdy(webSocketDuplex(socket), connect, signal)
    return forwardChannels(socket, portsOf(exchange.url), connect)
  }
  if (!isSpdyUpgrade(exchange)) throw errors.badRequest('unable to upgrade: unknown protocol')
  const offered = header(exchange.request, 'x-stream-protocol-version') ?? portForwardProtocol
  if (!offered.includes(portForwardProtocol)) throw errors.badRequest(`unable to upgrade: ${offered} is not supported`)
  return forwardSpdy(acceptSpdy(exchange, upgrade, portForwardProtocol), connect, signal)
}

function forwardSpdy(
  socket: Parameters<typeof spdyPortForward>[0],
  connect: (port: number) => Promise<Channels>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const connection = spdyPortForward(socket, {
      onConnection: (port, local) => void forward(port, local, connect),
      onClose: resolve,
    })
    signal.addEventListener('abort', () => connection.close(), { once: true })
  })
}

/** One forwarded connection. A failure is told as text on channel 1, where clients look for it. */
async function forward(port: number, local: Channels, connect: (port: number) => Promise<Channels>): Promise<void> {
  try {
    await joinChannels(local, await connect(port))
  } catch (error) {
    const text = `an error occurred forwarding ${port}: ${(error as Error).message}`
    await local.write(1, Buffer.from(text)).catch(() => undefined)
    local.close()
  }
}

/** Channels 2n and 2n+1 carry data and error of the n-th port; each opens with the port as two bytes. */
async function forwardChannels(
  socket: WebSocket,
  ports: readonly number[],
  connect: (port: number) => Promise<Channels>,
): Promise<void> {
  const codec = channelCodec(socket.protocol)
  const cores: ChannelCore[] = []
  const running = ports.map(async (port, at) => {
    const core = createChannelCore({
      send: (number, data) => sendMessage(socket, codec.encode(at * 2 + number, data)),
      sendEnd: async () => undefined,
      shut: () => undefined,
    })
    cores.push(core)
    const opening = Buffer.alloc(2)
    opening.writeUInt16LE(port)
    await core.channels.write(0, opening)
    await core.channels.write(1, opening)
    await forward(port, core.channels, connect)
  })
  socket.on('message', (message) => {
    const frame = codec.decode(message)
    if (frame && frame.channel % 2 === 0) cores[frame.channel / 2]?.receive({ channel: 0, data: frame.data })
  })
  const closed = () => cores.forEach((core) => core.receiveClose())
  socket.on('close', closed)
  socket.on('error', closed)
  await Promise.all(running)
  socket.close(1000)
}

function portsOf(url: URL): number[] {
  const ports = url.searchParams
    .getAll('ports')
    .flatMap((text) => text.split(','))
    .map(Number)
  if (
    ports.length === 0 ||
    ports.length > maxPorts ||
    ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)
  ) {
    throw errors.badRequest('query parameter "ports" is required: numbers from 1 to 65535')
  }
  return ports
}
