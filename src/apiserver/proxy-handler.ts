import { request as httpRequest } from 'node:http'
import { connect as tlsConnect } from 'node:tls'
import type { Duplex } from 'node:stream'
import { createGunzip, createGzip, createInflate, createDeflate } from 'node:zlib'
import type { Target } from '../registry/options.ts'
import type { Registry } from '../registry/registry.ts'
import { channelSocket } from '../streams/channel-socket.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { writeHead } from './answer.ts'
import { header, type Exchange } from './exchange.ts'
import { forward, forwardedHeaders, unreachable } from './forwarding.ts'
import type { Upgrade } from './handler.ts'
import { isKubelet, serveKubelet } from './kubelet-proxy.ts'
import { findBackend, parseProxyName } from './proxy-backend.ts'
import { proxiedLink, rewriteLinks, type ProxiedPlace } from './proxy-links.ts'

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
  if (isKubelet(target, wanted.port)) return serveKubelet({ registry, nodes }, exchange, target, wanted.name)
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
      ...forwardedHeaders(request.headers, upgrade),
      // The server's own name for itself may depend on it, as upstream leaves it to.
      host: place.host,
      'x-forwarded-uri': url.pathname,
      'x-forwarded-host': place.host,
      'x-forwarded-proto': place.scheme,
    },
    signal: context.signal,
  })
  await forward(exchange, sent, upgrade, (headers) => adapt(headers, place, exchange))
}

/** A browser that has no slash at the end would look for the page's relative links one directory too high. */
function endsBeforePath({ info, request }: Exchange): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && info.tail === '' && !info.path.endsWith('/')
}

/** Makes an answer's links lead through us again; returns what its body is passed through. Mutates. */
function adapt(headers: Record<string, string>, place: ProxiedPlace, { request }: Exchange): Duplex[] {
  if (headers['location'] !== undefined) headers['location'] = proxiedLink(headers['location'], place)
  else if (headers['content-type']?.split(';')[0]?.trim() === 'text/html' && request.method !== 'HEAD') {
    const packing = packings[headers['content-encoding'] ?? '']
    // What cannot be read is passed on as it is.
    if (packing) {
      delete headers['content-length']
      return packing(rewriteLinks(place))
    }
  }
  return []
}

/** How a body is rewritten, by its Content-Encoding. */
const packings: Readonly<Record<string, (rewrite: Duplex) => Duplex[]>> = {
  '': (rewrite) => [rewrite],
  gzip: (rewrite) => [createGunzip(), rewrite, createGzip()],
  deflate: (rewrite) => [createInflate(), rewrite, createDeflate()],
}
