import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect as tlsConnect } from 'node:tls'
import type { Duplex } from 'node:stream'
import { StatusError } from '../api/status-error.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { channelSocket } from '../streams/channel-socket.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { writeHead } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { findBackend, parseProxyName } from './proxy-backend.ts'
import { releaseSocket } from './remote-command.ts'

// Of one hop, not of the message (RFC 9110 §7.6.1), and the caller's credentials, which are for us alone.
const notForwarded = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'authorization',
  'http2-settings',
])

/** HTTP to a pod, service or node through the API server: …/proxy/<path>. */
export async function serveProxy(
  { registry, nodes }: { registry: Registry; nodes: NodeAccess },
  exchange: Exchange,
  target: Target,
  upgrade: Upgrade | undefined,
): Promise<void> {
  const { context, info, url, request } = exchange
  const wanted = parseProxyName(target.name)
  const backend = await findBackend(registry, context, target, wanted)
  const channels = await nodes.open(
    backend.node,
    { kind: 'dial', host: backend.host, port: backend.port },
    context.signal,
  )
  const plain = channelSocket(channels, 0)
  const socket: Duplex = wanted.scheme === 'https' ? tlsConnect({ socket: plain, rejectUnauthorized: false }) : plain
  const sent = httpRequest({
    createConnection: () => socket,
    method: request.method ?? 'GET',
    path: `/${info.tail}${url.search}`,
    headers: {
      ...forwarded(request.headers),
      host: `${backend.host}:${backend.port}`,
      ...(upgrade ? { connection: 'Upgrade', upgrade: String(request.headers.upgrade) } : {}),
    },
    signal: context.signal,
  })
  const answered = Promise.withResolvers<IncomingMessage>()
  sent.once('response', answered.resolve)
  sent.once('error', answered.reject)
  if (upgrade) {
    sent.once('upgrade', (response: IncomingMessage, remote: Duplex, head: Buffer) =>
      tunnel(exchange, upgrade, response, remote, head),
    )
    sent.end()
    return
  }
  ;(request as NodeJS.ReadableStream).pipe(sent)
  let response: IncomingMessage
  try {
    response = await answered.promise
  } catch (error) {
    throw new StatusError('ServiceUnavailable', `error trying to reach service: ${(error as Error).message}`)
  }
  await passOn(exchange, response)
}

async function passOn(exchange: Exchange, response: IncomingMessage): Promise<void> {
  const headers = Object.entries(forwarded(response.headers)).map(([name, value]) => [name, String(value)] as const)
  writeHead(exchange, response.statusCode ?? 502, Object.fromEntries(headers))
  const out = exchange.response as NodeJS.WritableStream
  response.pipe(out)
  await new Promise<void>((resolve) => {
    response.once('close', resolve)
    exchange.context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** The backend agreed to speak something else: from here on bytes are passed as they are. */
function tunnel(exchange: Exchange, upgrade: Upgrade, response: IncomingMessage, remote: Duplex, head: Buffer): void {
  const lines = [`HTTP/1.1 101 ${response.statusMessage ?? 'Switching Protocols'}`]
  for (let at = 0; at < response.rawHeaders.length; at += 2)
    lines.push(`${response.rawHeaders[at]}: ${response.rawHeaders[at + 1]}`)
  releaseSocket(exchange, upgrade.socket)
  upgrade.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (head.length > 0) upgrade.socket.write(head)
  if (upgrade.head.length > 0) remote.write(upgrade.head)
  upgrade.socket.pipe(remote).pipe(upgrade.socket)
  remote.on('error', () => upgrade.socket.destroy())
  upgrade.socket.on('error', () => remote.destroy())
}

function forwarded(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !notForwarded.has(name) && !name.startsWith(':') && !name.startsWith('impersonate-'),
    ),
  )
}
