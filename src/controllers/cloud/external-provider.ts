import { isIP } from 'node:net'
import type { LoadBalancerIngress, Node, NodeAddress, PortStatus, Service } from '../../api/kinds.ts'
import type { Clock, Random } from '../../lib/clock.ts'
import { isReady } from '../reconcile/node-addresses.ts'
import type { CloudProvider, CloudRoute, Instance } from './provider.ts'
import type { ConnectProvider } from './provider-config.ts'
import { providerRequests } from './provider-request.ts'

/** Reaches a user's own provider by HTTPS; docs/cloud.md is its protocol. */
export function httpsProviders(io: { clock: Clock; random: Random }): ConnectProvider {
  return (config): CloudProvider => {
    const ask = providerRequests(config, io)
    return {
      features: config.features,
      async findInstance(node, signal) {
        const { status, body } = await ask(
          { method: 'POST', path: '/instances', body: { node: nodeBody(node) } },
          signal,
        )
        return status === 404 ? undefined : readInstance(body)
      },
      async ensureLoadBalancer(service, nodes, signal) {
        const path = `/load-balancers/${service.metadata.uid}`
        const body = { service: serviceBody(service), nodes: nodes.map(nodeBody) }
        const answer = await ask({ method: 'PUT', path, body }, signal)
        if (answer.status === 404) throw new Error(`the provider makes no load balancers: PUT ${path} is 404`)
        const ingress = readIngress(answer.body)
        return answer.status === 202 || ingress.length === 0 ? undefined : ingress
      },
      async deleteLoadBalancer(service, signal) {
        const path = `/load-balancers/${service.metadata.uid}`
        const { status } = await ask({ method: 'DELETE', path }, signal)
        return status !== 202
      },
      async listRoutes(signal) {
        const { status, body } = await ask({ method: 'GET', path: '/routes' }, signal)
        if (status === 404) throw new Error('the provider lays no routes: GET /routes is 404')
        return arrayOf(field(body, 'routes'), 'routes').map(readRoute)
      },
      async ensureRoute(route, node, signal) {
        const body = { ...route, node: nodeBody(node) }
        const { status } = await ask({ method: 'PUT', path: `/routes/${encodeURIComponent(route.name)}`, body }, signal)
        if (status === 404) throw new Error(`the provider lays no route ${route.name}: 404`)
      },
      async deleteRoute({ name }, signal) {
        await ask({ method: 'DELETE', path: `/routes/${encodeURIComponent(name)}` }, signal)
      },
    }
  }
}

/** What a provider is told of a node. */
export const nodeBody = (node: Node): object => ({
  name: node.metadata.name,
  uid: node.metadata.uid,
  providerID: node.spec?.providerID ?? '',
  labels: node.metadata.labels ?? {},
  addresses: node.status?.addresses ?? [],
  ready: isReady(node),
})

/** What a provider is told of a Service: what it needs to balance, and the annotations in which users talk to it. */
export function serviceBody({ metadata, spec = {} }: Service): object {
  const { namespace, name, uid, labels = {}, annotations = {} } = metadata
  return {
    namespace,
    name,
    uid,
    labels,
    annotations,
    ports: spec.ports ?? [],
    ipFamilies: spec.ipFamilies ?? [],
    sessionAffinity: spec.sessionAffinity ?? 'None',
    externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
    healthCheckNodePort: spec.healthCheckNodePort ?? 0,
    loadBalancerIP: spec.loadBalancerIP ?? '',
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges ?? [],
  }
}

/** What a provider answers is checked before it reaches an object. */
const bad = (what: string, wanted: string): Error => new Error(`the provider's answer: ${what}: ${wanted}`)

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function textIn(value: unknown, key: string): string {
  const found = field(value, key) ?? ''
  if (typeof found !== 'string') throw bad(key, 'must be a string')
  return found
}

function arrayOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw bad(what, 'must be a list')
  return value
}

function readInstance(body: unknown): Instance {
  const providerId = textIn(body, 'providerID')
  if (!providerId) throw bad('providerID', 'is missing')
  const [instanceType, zone, region] = ['instanceType', 'zone', 'region'].map((key) => textIn(body, key))
  return {
    providerId,
    ...(instanceType ? { instanceType } : {}),
    ...(zone ? { zone } : {}),
    ...(region ? { region } : {}),
    addresses: arrayOf(field(body, 'addresses'), 'addresses').map((one): NodeAddress => ({
      type: textIn(one, 'type'),
      address: textIn(one, 'address'),
    })),
    labels: Object.fromEntries(
      Object.keys(field(body, 'labels') ?? {}).map((key) => [key, textIn(field(body, 'labels'), key)]),
    ),
    isShutdown: field(body, 'shutdown') === true,
  }
}

function readIngress(body: unknown): LoadBalancerIngress[] {
  return arrayOf(field(body, 'ingress'), 'ingress').map((one, index) => {
    const [ip, hostname, ipMode] = ['ip', 'hostname', 'ipMode'].map((key) => textIn(one, key))
    if (ip && isIP(ip) === 0) throw bad(`ingress[${index}].ip`, `${JSON.stringify(ip)} is no address`)
    if (!ip && !hostname) throw bad(`ingress[${index}]`, 'has neither ip nor hostname')
    const ports = arrayOf(field(one, 'ports'), `ingress[${index}].ports`) as PortStatus[]
    return {
      ...(ip ? { ip, ipMode: ipMode || 'VIP' } : {}),
      ...(hostname ? { hostname } : {}),
      ...(ports.length > 0 ? { ports: [...ports] } : {}),
    }
  })
}

function readRoute(value: unknown): CloudRoute {
  const [name = '', nodeName = '', destinationCidr = ''] = ['name', 'nodeName', 'destinationCidr'].map((key) =>
    textIn(value, key),
  )
  if (!name || !destinationCidr) throw bad('routes', 'one has no name or no destinationCidr')
  return { name, nodeName, destinationCidr }
}
