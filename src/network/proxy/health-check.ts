import { createServer, type Server } from 'node:http'
import type { EndpointSlice, Service } from '../../api/kinds.ts'
import type { Logger } from '../../lib/log.ts'
import { chooseBackends, type NodeTopology } from './endpoints.ts'

/** What an outside load balancer asks a node about a service with externalTrafficPolicy Local. */
export interface HealthCheck {
  readonly namespace: string
  readonly name: string
  readonly port: number
  /** Pods of the service on this node that take traffic. */
  readonly localEndpoints: number
}

/** The health check that a service asks for with spec.healthCheckNodePort. */
export function healthCheckOf(
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  node: NodeTopology,
): HealthCheck | undefined {
  const { spec, metadata } = service ?? {}
  if (
    !service ||
    spec?.type !== 'LoadBalancer' ||
    spec.externalTrafficPolicy !== 'Local' ||
    !spec.healthCheckNodePort
  ) {
    return undefined
  }
  const local = (spec.ports ?? []).flatMap((port) => chooseBackends(service, port, slices, node).local)
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    port: spec.healthCheckNodePort,
    localEndpoints: new Set(local.map((one) => one.address)).size,
  }
}

/** Answer of a check: 200 with local endpoints, 503 without, and the same JSON as kube-proxy's. */
export function healthAnswer(check: HealthCheck): { status: number; headers: Record<string, string>; body: string } {
  return {
    status: check.localEndpoints > 0 ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(check.localEndpoints),
    },
    body: JSON.stringify({
      service: { namespace: check.namespace, name: check.name },
      localEndpoints: check.localEndpoints,
      serviceProxyHealthy: true,
    }),
  }
}

const requestTimeoutMs = 5_000

/** Serves the checks, each on its port of every address. */
export function createHealthChecks(logger: Logger): {
  /** Replaces what is served for a service; undefined ends it. */
  set(service: string, check: HealthCheck | undefined): void
  close(): Promise<void>
} {
  const served = new Map<string, { check: HealthCheck; server: Server }>()
  const closing = new Set<Promise<void>>()

  function end(server: Server): void {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    closing.add(closed)
    void closed.then(() => closing.delete(closed))
  }

  function serve(service: string, check: HealthCheck): void {
    const server = createServer({ requestTimeout: requestTimeoutMs }, (_request, response) => {
      const { status, headers, body } = healthAnswer(served.get(service)?.check ?? check)
      response.writeHead(status, headers).end(body)
    })
    server.on('error', (error) => logger.warn({ service, port: check.port, error: error.message }, 'no health check'))
    server.listen(check.port)
    served.set(service, { check, server })
  }

  return {
    set(service, check) {
      const known = served.get(service)
      if (known && check && known.check.port === check.port) return void served.set(service, { ...known, check })
      if (known) {
        served.delete(service)
        end(known.server)
      }
      if (check) serve(service, check)
    },
    async close() {
      for (const { server } of served.values()) end(server)
      served.clear()
      await Promise.all(closing)
    },
  }
}
