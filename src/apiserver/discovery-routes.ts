import { StatusError } from '../api/status-error.ts'
import { answer, answerNotModified } from './answer.ts'
import type { Codecs } from './codecs.ts'
import type { Discovery } from './discovery.ts'
import { header, type Exchange } from './exchange.ts'
import { negotiate, parseAccept } from './negotiation.ts'

/** Serves /api, /apis and what lies below them without being a resource. False: not a discovery path. */
export async function serveDiscovery(codecs: Codecs, discovery: Discovery, exchange: Exchange): Promise<boolean> {
  const { request, url } = exchange
  const [prefix, ...rest] = url.pathname.split('/').filter((part) => part !== '')
  if (prefix !== 'api' && prefix !== 'apis') return false
  if (rest.length > (prefix === 'api' ? 1 : 2)) return false
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
  }
  const version = rest.length === 0 ? aggregatedVersion(exchange) : undefined
  if (version) {
    await sendAggregated(codecs, discovery, exchange, prefix, version)
    return true
  }
  const document = documentFor(discovery, prefix, rest)
  if (!document) throw new StatusError('NotFound', 'the server could not find the requested resource', {})
  const { format } = negotiate(header(request, 'accept'), { transforms: false, protobuf: true })
  await answer(codecs, exchange, 200, document, format)
  return true
}

async function sendAggregated(
  codecs: Codecs,
  discovery: Discovery,
  exchange: Exchange,
  which: 'api' | 'apis',
  version: 'v2' | 'v2beta1',
): Promise<void> {
  const { body, etag } = discovery.aggregated(which, version)
  const headers = { etag, 'cache-control': 'public, max-age=0' }
  const known = header(exchange.request, 'if-none-match')
  if (known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) {
    return answerNotModified(exchange, etag)
  }
  await answer(codecs, exchange, 200, body, 'json', {
    ...headers,
    'content-type': `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  })
}

function documentFor(discovery: Discovery, prefix: 'api' | 'apis', rest: readonly string[]): object | undefined {
  const [first = '', second = ''] = rest
  if (prefix === 'api') return rest.length === 0 ? discovery.coreVersions() : discovery.resourceList('', first)
  if (rest.length === 0) return discovery.groupList()
  return rest.length === 1 ? discovery.group(first) : discovery.resourceList(first, second)
}

function aggregatedVersion(exchange: Exchange): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(header(exchange.request, 'accept'))) {
    if (type !== 'application/json') continue
    if (parameters.get('as') !== 'APIGroupDiscoveryList' || parameters.get('g') !== 'apidiscovery.k8s.io') {
      if (parameters.has('as')) continue
      return undefined
    }
    const version = parameters.get('v')
    if (version === 'v2' || version === 'v2beta1') return version
  }
  return undefined
}
