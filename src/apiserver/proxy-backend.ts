import type { EndpointSlice, Node, Pod, Service } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { Target } from '../registry/options.ts'
import type { RequestContext } from '../registry/ports.ts'
import type { Registry } from '../registry/registry.ts'

/** `https:web:443`, `web:http`, `web` as in …/services/{name}/proxy. */
export interface ProxyName {
  scheme: 'http' | 'https'
  name: string
  /** A number, a port's name, or '' for the default. */
  port: string
}

/** Where a proxied request goes: dialled from the node that is nearest to it. */
export interface Backend {
  node: string
  host: string
  port: number
}

/** Throws BadRequest. */
export function parseProxyName(text: string): ProxyName {
  const parts = text.split(':')
  if (parts.length === 1) return { scheme: 'http', name: text, port: '' }
  if (parts.length === 2) return { scheme: 'http', name: parts[0] ?? '', port: parts[1] ?? '' }
  const [scheme, name = '', port = ''] = parts
  if (parts.length !== 3 || (scheme !== 'http' && scheme !== 'https' && scheme !== '')) {
    throw errors.badRequest(`invalid proxy target ${JSON.stringify(text)}`)
  }
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port }
}

/** Throws NotFound, BadRequest, or ServiceUnavailable when nothing is ready behind the name. */
export async function findBackend(
  registry: Registry,
  context: RequestContext,
  target: Target,
  wanted: ProxyName,
): Promise<Backend> {
  const object = await registry.get(context, { ...target, name: wanted.name, subresource: '' })
  if (target.definition.resource === 'pods') return podBackend(object as Pod & KubeObject, wanted)
  if (target.definition.resource === 'nodes') return nodeBackend(object as Node & KubeObject, wanted)
  return serviceBackend(registry, context, object as Service & KubeObject, wanted)
}

function podBackend(pod: Pod, { port }: ProxyName): Backend {
  const ports = (pod.spec?.containers ?? []).flatMap(({ ports: listed }) => listed ?? [])
  const number =
    port === ''
      ? (ports[0]?.containerPort ?? 80)
      : portNumber(port, (name) => ports.find((one) => one.name === name)?.containerPort)
  const host = pod.status?.podIP
  if (!pod.spec?.nodeName || !host)
    throw errors.badRequest(`address not allowed: pod ${pod.metadata.name} has no address yet`)
  return { node: pod.spec.nodeName, host, port: number }
}

/** Without a port, or with the kubelet's own, it is not dialled: the kubelet has a protocol of its own. */
function nodeBackend(node: Node, { port }: ProxyName): Backend {
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '127.0.0.1'
  const number =
    port === '' ? (node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10_250) : portNumber(port, () => undefined)
  return { node: node.metadata.name ?? '', host: address, port: number }
}

async function serviceBackend(
  registry: Registry,
  context: RequestContext,
  service: Service,
  { name, port }: ProxyName,
): Promise<Backend> {
  const ports = service.spec?.ports ?? []
  const chosen = port === '' ? ports[0] : ports.find((one) => one.name === port || String(one.port) === port)
  if (!chosen)
    throw errors.unavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`)
  const definition = must(
    registry.catalogue.preferred({ group: 'discovery.k8s.io', resource: 'endpointslices' }),
    'built in',
  )
  const slices = await registry.list(
    context,
    { definition, namespace: service.metadata.namespace ?? '', name: '', subresource: '' },
    { labelSelector: `kubernetes.io/service-name=${name}` },
  )
  for (const slice of slices.items as (EndpointSlice & KubeObject)[]) {
    const slicePort = slice.ports?.find((one) => (one.name ?? '') === (chosen.name ?? ''))?.port
    const endpoint = slice.endpoints?.find((one) => one.conditions?.ready !== false && one.nodeName)
    const host = endpoint?.addresses[0]
    if (slicePort && endpoint?.nodeName && host) return { node: endpoint.nodeName, host, port: slicePort }
  }
  throw errors.unavailable(`no endpoints available for service ${JSON.stringify(name)}`)
}

function portNumber(text: string, byName: (name: string) => number | undefined): number {
  const number = /^\d+$/.test(text) ? Number(text) : byName(text)
  if (number === undefined || number < 1 || number > 65_535)
    throw errors.badRequest(`invalid port ${JSON.stringify(text)}`)
  return number
}
