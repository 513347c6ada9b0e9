import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Node, Service } from '../../../api/kinds.ts'
import { systemClock, systemRandom } from '../../../lib/system.ts'
import { createAuthority, openAuthority } from '../../../pki/certificate-authority.ts'
import type { CloudProvider } from '../provider.ts'

export interface ProviderServer {
  readonly url: string
  readonly caPem: string
  /** Requests so far, as `PUT /v1/load-balancers/x`. */
  readonly requests: string[]
  /** What the next requests are answered with, one each; `hang`: not at all, `cut`: the connection is reset. */
  readonly faults: ('hang' | 'cut' | { status: number; headers?: Record<string, string>; body?: string })[]
  stop(): Promise<void>
}

/** docs/cloud.md over HTTPS, in front of any provider: what a user's own server looks like from here. */
export async function serveProvider(
  provider: CloudProvider,
  options: { token: string; address?: string; port?: number },
): Promise<ProviderServer> {
  const { token, address = '127.0.0.1', port = 0 } = options
  const ca = await createAuthority('provider-ca', systemClock.nowMs(), systemRandom)
  const { keyPem, certPem } = await (
    await openAuthority(ca, systemRandom)
  ).issue(
    {
      subject: { commonName: 'provider' },
      names: [{ type: 'ip', value: address }],
      usages: ['server'],
      lifetimeMs: 3_600_000,
    },
    systemClock.nowMs(),
  )
  const requests: string[] = []
  const faults: ProviderServer['faults'] = []
  const server = createServer({ key: keyPem, cert: certPem }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const fault = faults.shift()
    if (fault === 'hang') return
    if (fault === 'cut') return void request.socket.destroy()
    if (fault) return void response.writeHead(fault.status, fault.headers).end(fault.body)
    if (request.headers.authorization !== `Bearer ${token}`)
      return void response.writeHead(401).end(JSON.stringify({ message: 'who are you?' }))
    answer(provider, request).then(
      ([status, body]) => response.writeHead(status).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(JSON.stringify({ message: (error as Error).message })),
    )
  })
  await new Promise<void>((resolve) => server.listen(port, address, resolve))
  return {
    url: `https://${address}:${(server.address() as AddressInfo).port}`,
    caPem: ca.certPem,
    requests,
    faults,
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer(provider: CloudProvider, request: IncomingMessage): Promise<[number, object]> {
  const signal = AbortSignal.timeout(10_000)
  const [, , resource, name = ''] = (request.url ?? '').split('/')
  const chunks = await request.toArray()
  const body = (chunks.length > 0 ? JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) : {}) as {
    node: { name: string; providerID: string; addresses: object[] }
    service: object
    nodes: { name: string }[]
    nodeName: string
    destinationCidr: string
  }
  const node = (one: { name: string }): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: one.name } })
  const service = (named: object): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { uid: name, ...named } as Service['metadata'],
  })
  switch (`${request.method} ${resource}`) {
    case 'POST instances': {
      const found = await provider.findInstance(node(body.node), signal)
      if (!found) return [404, {}]
      const { providerId, isShutdown, ...rest } = found
      return [200, { ...rest, providerID: providerId, shutdown: isShutdown }]
    }
    case 'PUT load-balancers': {
      const ingress = await provider.ensureLoadBalancer(service(body.service), body.nodes.map(node), signal)
      return ingress ? [200, { ingress }] : [202, {}]
    }
    case 'DELETE load-balancers':
      return [(await provider.deleteLoadBalancer(service({ name }), signal)) ? 200 : 202, {}]
    case 'GET routes':
      return [200, { routes: await provider.listRoutes(signal) }]
    case 'PUT routes': {
      const { nodeName, destinationCidr } = body
      await provider.ensureRoute({ name, nodeName, destinationCidr }, node(body.node), signal)
      return [200, {}]
    }
    case 'DELETE routes':
      await provider.deleteRoute({ name, nodeName: '', destinationCidr: '' }, signal)
      return [200, {}]
    default:
      return [404, {}]
  }
}
