import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { AccessRequest, Authorize } from '../api/authorizer.ts'
import type { GroupResource } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { UserInfo } from '../api/kinds.ts'
import type { Authenticate } from '../auth/authenticator.ts'
import { requireAccess } from '../auth/forbidden.ts'
import { impersonate, impersonationRequest, type Impersonated } from '../auth/impersonation.ts'
import { anonymous, type User } from '../auth/user.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { CustomDefinition } from '../registry/custom/definitions.ts'
import { newUid } from '../registry/metadata.ts'
import type { Registry } from '../registry/registry.ts'
import type { Aggregator } from './aggregation/aggregator.ts'
import { remoteFor, serveRemote } from './aggregation/serve-remote.ts'
import { silentTrail, type Audit } from './audit/audit.ts'
import { answer, answerBytes, answerError, flushHead, writeHead } from './answer.ts'
import { readBody } from './body.ts'
import type { Codecs } from './codecs.ts'
import type { Discovery } from './discovery.ts'
import { serveDiscovery } from './discovery-routes.ts'
import { header, type Exchange, type Request, type Response } from './exchange.ts'
import type { FlowControl, Seats } from './flowcontrol/flow-control.ts'
import { findRoute, type ExtensionRoute } from './extension-routes.ts'
import { answerHealth, type HealthCheck } from './health.ts'
import type { Metrics } from './metrics.ts'
import { serveOpenApi, type OpenApiSource } from './openapi-routes.ts'
import { peerCertificateOf } from './peer-certificate.ts'
import { parseRequestInfo, type RequestInfo } from './request-info.ts'
import { requestLifetimes } from './request-lifetime.ts'
import { requestTimeoutMs } from './request-timeout.ts'
import type { ResourceHandler } from './resource-handler.ts'
import { isStream, type StreamHandler } from './stream-handler.ts'
import { findTarget } from './target.ts'
import { serverVersion } from './version.ts'

export interface HandlerOptions {
  registry: Registry
  codecs: Codecs
  authenticate: Authenticate
  authorize: Authorize
  discovery: Discovery
  openapi: OpenApiSource
  aggregator?: Aggregator
  resources: ResourceHandler
  streams: StreamHandler
  metrics: Metrics
  flowControl: FlowControl
  /** Without it nothing is said of any request. */
  audit?: Audit
  /** How many objects of a resource there are: long lists take more seats. */
  countOf?: (ref: GroupResource) => number
  /** What answers to a request warn of. */
  warningOf?: (info: RequestInfo) => string | undefined
  extensions?: readonly ExtensionRoute[]
  healthChecks?: readonly HealthCheck[]
  extraMetrics?: () => string
  /** Aborted when the server stops: watches and streams end. */
  stopping: AbortSignal
  clock: Clock
  random: Random
  log: Logger
}

/** A connection that asks to become something else. */
export interface Upgrade {
  socket: Duplex
  head: Buffer
}

/** A list takes a seat more for each so many objects (upstream's work estimator). */
const objectsPerSeat = 100
const maxSeats = 10

// What load balancers and clients without credentials may ask.
const openPaths = /^\/(healthz|livez|readyz|version)(\/|$)/

/** What a request asks for, as authorization sees it. */
function accessOf(info: RequestInfo): Omit<AccessRequest, 'user'> {
  const { verb, group, version, resource, subresource, namespace, name, path } = info
  return info.isResource ? { verb, group, version, resource, subresource, namespace, name } : { verb, path }
}

/** One request from its first byte to its answer. Never rejects. */
export function createHandler(options: HandlerOptions) {
  const { codecs, clock, log, metrics } = options
  const beginLifetime = requestLifetimes(options.stopping, clock, gone)

  return async (request: Request, response: Response, upgrade?: Upgrade): Promise<void> => {
    const url = parseUrl(request)
    const info = parseRequestInfo(request.method ?? 'GET', url)
    const long = upgrade !== undefined || info.verb === 'watch' || isStream(info.subresource)
    const lifetime = beginLifetime(response, long)
    const { signal } = lifetime
    const done = metrics.begin({ ...seriesOf(info, options.registry), long })
    let seats: Seats | undefined
    const warnings: string[] = []
    const context = {
      user: anonymous as UserInfo,
      signal,
      userAgent: header(request, 'user-agent')?.split('/', 1)[0]?.slice(0, 128),
      warn: (message: string) => void warnings.push(message),
      annotate: (key: string, value: string) => exchange.audit.annotate(key, value),
    }
    const exchange: Exchange = { request, response, url, info, context, warnings, audit: silentTrail }
    const id = auditId(request)
    ;(response as { setHeader(name: string, value: string): void }).setHeader('audit-id', id)
    try {
      if (!long) lifetime.limit(requestTimeoutMs(url.searchParams), timedOut)
      const route = findRoute(options.extensions ?? [], url.pathname)
      if (!route?.public) await identify(exchange, id)
      seats = await takeSeats(exchange)
      // What goes on for long waits rather than works: it is held back at its beginning only.
      if (long) seats?.leave()
      if (!route?.public) authorizeRequest(exchange)
      await (route ? serveExtension(exchange, route) : serve(exchange, upgrade))
    } catch (error) {
      if (!(error instanceof StatusError) && !signal.aborted) {
        log.error({ path: url.pathname, error: (error as Error).stack ?? String(error) }, 'request failed')
      }
      await answerError(codecs, exchange, signal.reason === timedOut ? timedOut : error).catch(() => response.end())
    } finally {
      lifetime.end()
      seats?.leave()
      done(response.statusCode)
      exchange.audit.complete(response.statusCode)
    }
  }

  async function takeSeats({ info, context, response }: Exchange): Promise<Seats> {
    const objects = info.verb === 'list' && info.isResource ? (options.countOf?.(info) ?? 0) : 0
    const width = Math.min(maxSeats, Math.max(1, Math.ceil(objects / objectsPerSeat)))
    const seats = await options.flowControl.enter({ user: context.user, info }, width, context.signal)
    const out = response as { setHeader(name: string, value: string): void }
    out.setHeader('x-kubernetes-pf-flowschema-uid', seats.flowSchemaUid)
    out.setHeader('x-kubernetes-pf-prioritylevel-uid', seats.priorityLevelUid)
    return seats
  }

  /** Finds out who asks, and as whom; from then on the audit log knows of the request. */
  async function identify(exchange: Exchange, auditId: string): Promise<void> {
    const { request, info, url, context } = exchange
    const begin = (user: UserInfo, impersonated?: Impersonated): void => {
      if (!options.audit) return
      exchange.audit = options.audit.begin({
        auditId,
        info,
        uri: `${url.pathname}${url.search}`,
        user,
        ...(impersonated ? { impersonated: impersonated.user, constraint: impersonated.constraint } : {}),
        sourceIps: [request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''],
        userAgent: header(request, 'user-agent'),
      })
    }
    let user: User
    try {
      user = await options.authenticate({ peerCertificate: peerCertificateOf(request), headers: request.headers })
    } catch (error) {
      begin(anonymous)
      throw error
    }
    const wanted = impersonationRequest(request.headers, request.rawHeaders)
    const impersonated = wanted && impersonate(user, wanted, options.authorize, accessOf(info))
    begin(user, impersonated)
    ;(context as { user: UserInfo }).user = impersonated?.user ?? user
  }

  function authorizeRequest({ context: { user }, info, audit }: Exchange): void {
    if (openPaths.test(info.path)) return
    const { verb, group, resource, subresource } = info
    const demand = (request: AccessRequest): void => {
      const decide: Authorize = (asked) => {
        const decision = options.authorize(asked)
        audit.annotate('authorization.k8s.io/decision', decision.verdict === 'allow' ? 'allow' : 'forbid')
        audit.annotate('authorization.k8s.io/reason', decision.reason)
        return decision
      }
      requireAccess(decide, request)
    }
    demand({ user, ...accessOf(info) })
    // A WebSocket opens with GET: whoever may only read pods must not run programs in them by it (KEP-4006).
    if (resource === 'pods' && group === '' && verb === 'get' && runsPrograms(subresource)) {
      demand({ user, ...accessOf(info), verb: 'create' })
    }
  }

  async function serve(exchange: Exchange, upgrade: Upgrade | undefined): Promise<void> {
    const { info, url } = exchange
    const remote = options.aggregator && remoteFor(options.aggregator, url.pathname)
    if (options.aggregator && remote) return serveRemote(options.aggregator, remote, exchange, upgrade)
    if (info.isResource) {
      const target = findTarget(options.registry.catalogue, info)
      const { deprecationWarning } = target.definition as Partial<CustomDefinition>
      for (const text of [deprecationWarning, options.warningOf?.(info)]) if (text) exchange.context.warn(text)
      if (isStream(info.subresource)) return options.streams(exchange, target, upgrade)
      if (info.verb === 'options')
        throw errors.methodNotAllowed('the server does not allow this method on the requested resource')
      return options.resources(exchange, target)
    }
    if (/^\/(healthz|livez|readyz)(\/|$)/.test(url.pathname)) return serveHealth(exchange)
    if (url.pathname === '/version' || url.pathname === '/version/') return answer(codecs, exchange, 200, serverVersion)
    if (url.pathname === '/metrics') {
      const text = metrics.text() + options.flowControl.text() + (options.extraMetrics?.() ?? '')
      return answerBytes(exchange, 200, Buffer.from(text), { 'content-type': 'text/plain; version=0.0.4' })
    }
    if (await serveOpenApi(options.openapi, exchange)) return
    if (await serveDiscovery(codecs, options.discovery, exchange)) return
    if (url.pathname === '/') return answer(codecs, exchange, 200, { paths: rootPaths(options) })
    throw new StatusError('NotFound', 'the server could not find the requested resource', {})
  }

  async function serveHealth(exchange: Exchange): Promise<void> {
    const stopping = { name: 'shutdown', readyOnly: true, check: () => options.stopping.throwIfAborted() }
    const timeout = (ms: number) =>
      new Promise<never>((_, reject) => clock.after(ms, () => reject(new Error('timed out'))))
    const result = await answerHealth([...(options.healthChecks ?? []), stopping], exchange.url, timeout)
    if (!result) throw new StatusError('NotFound', 'the server could not find the requested resource', {})
    await answerBytes(exchange, result.code, Buffer.from(result.text), {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    })
  }

  async function serveExtension(exchange: Exchange, route: ExtensionRoute): Promise<void> {
    const { request, url, context, response } = exchange
    const result = await route.handler({
      method: request.method ?? 'GET',
      url,
      headers: request.headers,
      user: context.user,
      signal: context.signal,
      body: () => readBody(request),
      stream: request as AsyncIterable<Uint8Array>,
    })
    const { body, code, contentType } = result
    if (body instanceof Uint8Array) {
      return answerBytes(exchange, code, body, { 'content-type': contentType ?? 'application/octet-stream' })
    }
    if (body === undefined || !(Symbol.asyncIterator in body)) return answer(codecs, exchange, code, body ?? {})
    writeHead(exchange, code, { 'content-type': contentType ?? 'application/octet-stream' })
    flushHead(response)
    const out = response as NodeJS.WritableStream
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      if (context.signal.aborted) break
      if (!out.write(chunk)) await drained(out, context.signal)
    }
    out.end()
  }

  function auditId(request: Request): string {
    const given = header(request, 'audit-id')
    return given && /^[-\w]{1,64}$/.test(given) ? given : newUid(options.random)
  }
}

/** Until there is room again, or the client is gone. */
async function drained(out: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  await once(out as NodeJS.EventEmitter, 'drain', { signal }).catch(() => undefined)
}

const runsPrograms = (subresource: string): boolean => ['exec', 'attach', 'portforward'].includes(subresource)

/** One for all: making an error with its stack for each request that ends costs more than its head. */
const gone = new StatusError('Timeout', 'the client is gone, or has its answer')
const timedOut = new StatusError('Timeout', 'request did not complete within the allotted timeout')

function parseUrl(request: Request): URL {
  try {
    return new URL(`https://localhost${request.url?.startsWith('/') ? request.url : '/'}`)
  } catch {
    return new URL('https://localhost/')
  }
}

/** Only what the catalogue knows becomes a label: anybody may ask for any path. */
function seriesOf(info: RequestInfo, registry: Registry) {
  const { verb, group, version, resource } = info
  const known = info.isResource && registry.catalogue.find(group, version, resource) !== undefined
  const knownVerb = /^(get|list|watch|create|update|patch|delete|deletecollection)$/.test(verb) ? verb : 'other'
  return known
    ? { verb: knownVerb, group, version, resource }
    : { verb: knownVerb, group: '', version: '', resource: '' }
}

function rootPaths({ discovery, openapi }: HandlerOptions): string[] {
  const groups = discovery
    .groupList()
    .groups.flatMap(({ name, versions }) => [
      `/apis/${name}`,
      ...versions.map(({ groupVersion }) => `/apis/${groupVersion}`),
    ])
  const index = JSON.parse(openapi().indexJson()) as { paths: object }
  const documents = Object.keys(index.paths).map((path) => `/openapi/v3/${path}`)
  return [
    '/api',
    '/api/v1',
    '/apis',
    ...groups,
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    ...documents,
    '/readyz',
    '/version',
  ]
}
