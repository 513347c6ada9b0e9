import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect as tlsConnect } from 'node:tls'
import { pipeline, type Duplex } from 'node:stream'
import { createGunzip, createGzip, createInflate, createDeflate } from 'node:zlib'
import { StatusError } from '../api/status-error.ts'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { channelSocket } from '../streams/channel-socket.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { writeHead } from './answer.ts'
import { header, type Exchange } from './exchange.ts'
import type { Upgrade } from './handler.ts'
import { findBackend, parseProxyName } from './proxy-backend.ts'
import { proxiedLink, rewriteLinks, type ProxiedPlace } from './proxy-links.ts'
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
  if (!upgrade && endsBeforePath(exchange)) {
    writeHead(exchange, 301, { location: `${url.pathname}/${url.search}` })
    exchange.response.end()
    return
  }
  const wanted = parseProxyName(target.name)
  const backend = await findBackend(registry, context, target, wanted)
  const channels = await nodes
    .open(backend.node, { kind: 'dial', host: backend.host, port: backend.port }, context.signal)
    .catch(unreachable)
  const place: ProxiedPlace = {
    prefix: url.pathname.slice(0, url.pathname.length - info.tail.length).replace(/\/$/, ''),
    scheme: 'https',
    host: header(request, 'host') ?? header(request, ':authority') ?? '',
    backend: `${backend.host}:${backend.port}`,
  }
  const plain = channelSocket(channels, 0)
  const socket: Duplex = wanted.scheme === 'https' ? tlsConnect({ socket: plain, rejectUnauthorized: false }) : plain
  const sent = httpRequest({
    createConnection: () => socket,
    method: request.method ?? 'GET',
    path: `/${info.tail}${url.search}`,
    headers: {
      ...forwarded(request.headers),
      // The server's own name for itself may depend on it, as upstream leaves it to.
      host: place.host,
      'x-forwarded-uri': url.pathname,
      'x-forwarded-host': place.host,
      'x-forwarded-proto': place.scheme,
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
  await passOn(exchange, await answered.promise.catch(unreachable), place)
}

/** A browser that has no slash at the end would look for the page's relative links one directory too high. */
function endsBeforePath({ info, request }: Exchange): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && info.tail === '' && !info.path.endsWith('/')
}

function unreachable(error: Error): never {
  if (error instanceof StatusError) throw error
  throw new StatusError('ServiceUnavailable', `error trying to reach service: ${error.message}`)
}

async function passOn(exchange: Exchange, response: IncomingMessage, place: ProxiedPlace): Promise<void> {
  const headers = Object.fromEntries(
    Object.entries(forwarded(response.headers)).map(([name, value]) => [name, String(value)]),
  )
  const stages: Duplex[] = []
  if (headers['location'] !== undefined) headers['location'] = proxiedLink(headers['location'], place)
  else if (headers['content-type']?.split(';')[0]?.trim() === 'text/html' && exchange.request.method !== 'HEAD') {
    const packing = packings[headers['content-encoding'] ?? '']
    // What cannot be read is passed on as it is.
    if (packing) {
      stages.push(...packing(rewriteLinks(place)))
      delete headers['content-length']
    }
  }
  writeHead(exchange, response.statusCode ?? 502, headers)
  await new Promise<void>((resolve) => {
    // How it ends is seen by the client: with its connection.
    pipeline([response, ...stages, exchange.response as NodeJS.WritableStream], () => resolve())
    exchange.context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** How a body is rewritten, by its Content-Encoding. */
const packings: Readonly<Record<string, (rewrite: Duplex) => Duplex[]>> = {
  '': (rewrite) => [rewrite],
  gzip: (rewrite) => [createGunzip(), rewrite, createGzip()],
  deflate: (rewrite) => [createInflate(), rewrite, createDeflate()],
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
