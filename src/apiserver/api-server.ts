import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Authorize } from '../api/authorizer.ts'
import type { GroupResource } from '../api/object.ts'
import type { Authenticate } from '../auth/authenticator.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { Registry } from '../registry/registry.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import type { Audit } from './audit/audit.ts'
import type { Aggregator } from './aggregation/aggregator.ts'
import type { Codecs } from './codecs.ts'
import { createDiscovery } from './discovery.ts'
import type { Request, Response } from './exchange.ts'
import { createFlowControl } from './flowcontrol/flow-control.ts'
import type { ExtensionRoute } from './extension-routes.ts'
import { createHandler } from './handler.ts'
import type { HealthCheck } from './health.ts'
import { createMetrics } from './metrics.ts'
import type { OpenApiSource } from './openapi-routes.ts'
import type { RequestInfo } from './request-info.ts'
import { createResourceHandler } from './resource-handler.ts'
import { createStreamHandler } from './stream-handler.ts'

/** PEM texts. `ca` is what client certificates are signed by; it is shown to clients as a hint, not enforced by TLS. */
export interface TlsMaterial {
  key: string
  cert: string
  ca: string
}

/** What the composition root passes to the API server. */
export interface ApiServerOptions {
  registry: Registry
  codecs: Codecs
  authenticate: Authenticate
  authorize: Authorize
  openapi: OpenApiSource
  /** Without it an APIService with a Service behind it is stored and not served. */
  aggregator?: Aggregator
  /** Without it log, exec, attach, portforward and proxy answer 503. */
  nodeAccess?: NodeAccess
  /** Where FlowSchemas and PriorityLevelConfigurations are read. Without it the built-in ones count. */
  informers?: Informers
  /** Objects of a resource. Without it every list takes one seat. */
  countOf?: (ref: GroupResource) => number
  /** What answers to a request warn of, whatever becomes of it. */
  warningOf?: (info: RequestInfo) => string | undefined
  /** Without it no audit log is written. */
  audit?: Audit
  extensions?: readonly ExtensionRoute[]
  healthChecks?: readonly HealthCheck[]
  /** Prometheus text of the rest of the agent, appended to /metrics. */
  extraMetrics?: () => string
  tls: TlsMaterial
  host: string
  /** 0: any free port, see {@link ApiServer.port}. */
  port: number
  clock: Clock
  random: Random
  log: Logger
}

export interface ApiServer extends Service {
  /** The port that is listened on, once started. */
  port(): number
  /** New connections use the new certificate; open ones go on. */
  setTls(tls: TlsMaterial): void
}

/** How long open requests may take to finish when the server stops. */
const drainMs = 5000
const maxConcurrentStreams = 250
/** As kube-apiserver's: Node's default of 5 s cuts off clients that are just about to ask again. */
const keepAliveMs = 90_000

/** The HTTPS face of a registry: HTTP/1.1 and HTTP/2 on one port. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { registry, codecs, clock, log } = options
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()
  const handler = createHandler({
    ...options,
    discovery: createDiscovery(registry.catalogue, options.aggregator),
    resources: createResourceHandler({ registry, codecs, clock }),
    streams: createStreamHandler(options),
    metrics: createMetrics(clock),
    flowControl: createFlowControl({ ...options, nextTurn: () => new Promise((resolve) => setImmediate(resolve)) }),
    stopping: stopping.signal,
  })
  let server: Http2SecureServer | undefined

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A refusal is an ordinary answer: the socket gets a response object until somebody takes it over.
    const response = new ServerResponse(request)
    response.assignSocket(socket as Socket)
    response.shouldKeepAlive = false
    response.on('finish', () => socket.end())
    socket.on('error', () => socket.destroy())
    void handler(request, response, { socket, head })
  }

  return {
    async start() {
      server = createSecureServer({
        allowHTTP1: true,
        ...tlsOptions(options.tls),
        requestCert: true,
        // A bearer token may stand in for a certificate: whether one counts is for the authenticator to say.
        rejectUnauthorized: false,
        settings: { maxConcurrentStreams },
        http1Options: { keepAliveTimeout: keepAliveMs },
      })
      server.on('request', (request: Request, response: Response) => void handler(request, response))
      server.on('upgrade', onUpgrade)
      server.on('secureConnection', (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      server.on('session', (session) => {
        sessions.add(session)
        session.once('close', () => sessions.delete(session))
      })
      server.on('sessionError', (error) => log.debug({ error: String(error) }, 'http2 session failed'))
      server.on('tlsClientError', (error) => log.debug({ error: String(error) }, 'tls handshake failed'))
      const listening = server
      await new Promise<void>((resolve, reject) => {
        listening.once('error', reject)
        listening.listen(options.port, options.host, () => {
          listening.off('error', reject)
          resolve()
        })
      })
    },
    async stop() {
      const closing = server
      if (!closing) return
      server = undefined
      stopping.abort()
      const closed = new Promise<void>((resolve) => closing.close(() => resolve()))
      // Sessions finish the streams that they have; sockets of HTTP/1.1 without a request are closed by the server.
      for (const session of sessions) session.close()
      const timer = clock.after(drainMs, destroyAll)
      await closed
      timer.cancel()
      destroyAll()
    },
    port: () => (server?.address() as AddressInfo | null)?.port ?? options.port,
    setTls: (tls) => server?.setSecureContext(tlsOptions(tls)),
  }

  function destroyAll(): void {
    for (const socket of sockets) socket.destroy()
  }
}

const tlsOptions = ({ key, cert, ca }: TlsMaterial) => ({ key, cert, ca, minVersion: 'TLSv1.2' as const })
