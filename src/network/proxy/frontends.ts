import { createHash } from 'node:crypto'
import type { EndpointSlice, Service, ServicePort, ServiceSpec } from '../../api/kinds.ts'
import { addressesOf, isOfFamily, rangesOf, type Family } from '../family.ts'
import { createContribution, type Contribution, type ContributionBuilder } from './contribution.ts'
import { chooseBackends, type Backend, type Backends, type NodeTopology } from './endpoints.ts'
import type { Rule } from './rules.ts'
import { preparedSpreads, spreadChain, type EndpointMap, type Scope } from './skeleton.ts'

/** kube-proxy's default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const defaultAffinitySeconds = 10_800
/** Clients that one endpoint remembers; the kernel forgets nobody before the time, it refuses new ones. */
const affinitySetSize = 65_536

/** What stays the same for all frontends of one service port. */
interface PortContext {
  readonly out: ContributionBuilder
  readonly backends: Backends
  readonly proto: string
  readonly family: Family
  readonly affinitySeconds: number | undefined
  readonly preferred?: PreferredBackend
  /** `namespace/name:port`, from which the names of its own chains are made. */
  readonly id: string
}

/** An endpoint that gets every connection of cluster IPs as long as a set holds the protocol. */
export interface PreferredBackend {
  readonly address: string
  readonly whileIn: string
}

/** Services that bear one of these labels are served by somebody else, or by nobody (KEP-2447). */
const labelsOfOthers = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']

/**
 * False for services that the proxy has nothing to do with: headless, ExternalName, another proxy's, or without an address
 * of the family.
 */
export function isProxied({ metadata, spec }: Service, family: Family): boolean {
  return (
    spec !== undefined &&
    !labelsOfOthers.some((label) => metadata.labels?.[label] !== undefined) &&
    spec.type !== 'ExternalName' &&
    spec.clusterIP !== 'None' &&
    addressesOf(clusterIps(spec), family).length > 0
  )
}

/** Everything that one service adds to the rules. */
export function serviceContribution(
  service: Service,
  slices: readonly EndpointSlice[],
  node: NodeTopology,
  preferred?: PreferredBackend,
): Contribution {
  const out = createContribution()
  const spec = service.spec
  if (!spec || !isProxied(service, node.family)) return out.done()
  for (const port of spec.ports ?? []) {
    const chosen = chooseBackends(service, port, slices, node)
    const context: PortContext = {
      out,
      backends: chosen,
      family: node.family,
      proto: (port.protocol ?? 'TCP').toLowerCase(),
      affinitySeconds: affinityOf(spec),
      preferred,
      id: `${service.metadata.namespace}/${service.metadata.name}:${port.name ?? ''}/${port.protocol ?? 'TCP'}/${port.port}`,
    }
    addPort(context, spec, port, loadBalancerIps(service))
  }
  return out.done()
}

function addPort(context: PortContext, spec: ServiceSpec, port: ServicePort, balancerIps: readonly string[]): void {
  const { out, proto, backends, family } = context
  for (const ip of addressesOf(clusterIps(spec), family))
    addInternal(context, [ip, proto, port.port], spec.internalTrafficPolicy)

  const outside = addressesOf([...(spec.externalIPs ?? []), ...balancerIps], family)
  for (const ip of new Set(outside)) addOutside(context, 'ip', [ip, proto, port.port], spec.externalTrafficPolicy)
  if (port.nodePort) addOutside(context, 'port', [proto, port.nodePort], spec.externalTrafficPolicy)

  const ranges = rangesOf(spec.loadBalancerSourceRanges ?? [], family)
  if (ranges.length > 0) {
    for (const ip of addressesOf(balancerIps, family)) {
      out.element('restricted', [ip, proto, port.port])
      for (const range of ranges) out.element('allowed', [ip, proto, port.port, range])
    }
  }
  const everywhere = [...backends.cluster, ...backends.local]
  for (const address of new Set(everywhere.filter((one) => one.local).map((one) => one.address))) {
    out.element('hairpin', [address, address])
  }
}

type Key = readonly (string | number)[]

function addInternal(context: PortContext, key: Key, policy: string | undefined): void {
  const { out, backends } = context
  const list = policy === 'Local' ? backends.local : backends.cluster
  if (list.length > 0) {
    out.element('ip-services', key, addPreferred(context, key, list))
  } else if (backends.cluster.length > 0) {
    // There are endpoints, only not here: kube-proxy drops, since a refusal would say that the service is down.
    out.element('ip-services', key, 'drop')
  } else out.element('ip-none', key)
}

function addPreferred(context: PortContext, key: Key, list: readonly Backend[]): string {
  const { out, proto, preferred, id } = context
  const first = list.find((one) => one.address === preferred?.address)
  if (!preferred || !first || list.length === 1) return addBackends(context, 'ip', 'eps', key, list, false)
  const others = list.filter((one) => one !== first)
  const verdict = addBackends(context, 'ip', 'eps', key, others, false)
  const name = `preferred-${digest(`${id}|${key.join()}`)}`
  out.chain(name, {
    rules: [
      {
        when: [{ match: 'set', key: ['proto'], set: preferred.whileIn }],
        does: [{ do: 'dnatTo', proto, address: first.address, port: first.port }],
      },
      { when: [], does: [{ do: 'goto', chain: verdict.slice('goto '.length) }] },
    ],
  })
  return `goto ${name}`
}

function addOutside(context: PortContext, scope: Scope, key: Key, policy: string | undefined): void {
  const { out, backends } = context
  const { cluster, local } = backends
  if (cluster.length === 0 && (policy !== 'Local' || local.length === 0)) return out.element(`${scope}-none`, key)
  if (policy !== 'Local') {
    // Masqueraded, because the answer must come back through this node, which alone knows of the translation.
    return out.element(`${scope}-services`, key, addBackends(context, scope, 'eps', key, cluster, true))
  }
  out.element(`${scope}-services`, key, `goto ${scope}-outside-local`)
  if (cluster.length > 0) {
    out.element(`${scope}-short`, key, addBackends(context, scope, 'eps', key, cluster, false))
  }
  const verdict = local.length > 0 ? addBackends(context, scope, 'local-eps', key, local, false) : 'drop'
  out.element(`${scope}-local`, key, verdict)
}

/** Adds the list of backends of a frontend and returns the verdict that spreads connections over them. */
function addBackends(
  context: PortContext,
  scope: Scope,
  use: EndpointMap,
  key: Key,
  backends: readonly Backend[],
  masquerade: boolean,
): string {
  const { out } = context
  if (context.affinitySeconds !== undefined) return addSticky(context, backends, context.affinitySeconds, masquerade)
  backends.forEach((backend, index) => {
    out.element(`${scope}-${use}`, [...key, index], `${backend.address} . ${backend.port}`)
  })
  return `goto ${addSpread(out, scope, use, backends.length, masquerade)}`
}

function addSpread(
  out: ContributionBuilder,
  scope: Scope,
  use: EndpointMap,
  count: number,
  masquerade: boolean,
): string {
  const { name, chain } = spreadChain(scope, use, count, masquerade)
  if (count > preparedSpreads) out.chain(name, chain)
  return name
}

/**
 * Session affinity: each endpoint has a set of the clients that it serves, with a time, and a chain that renews it.
 * These are the only chains that services own; affinity is rare, and its state must outlive changes of the list.
 */
function addSticky(
  context: PortContext,
  backends: readonly Backend[],
  timeoutSeconds: number,
  masquerade: boolean,
): string {
  const { out, proto, id, family } = context
  const chains = backends.map((backend) => {
    const name = `ep-${digest(`${id}|${backend.address}|${backend.port}`)}`
    const set = `clients-${name}-${timeoutSeconds}`
    const declaration = `type ${family.addressType}; size ${affinitySetSize}; flags dynamic,timeout; timeout ${timeoutSeconds}s;`
    out.container(set, { kind: 'set', declaration })
    out.chain(name, {
      rules: [
        { when: [], does: [{ do: 'remember', set }] },
        { when: [], does: [{ do: 'dnatTo', proto, address: backend.address, port: backend.port }] },
      ],
    })
    return { name, set }
  })
  const spread = `sticky-${digest(`${id}|${chains.map((one) => one.name).join()}`)}`
  out.chain(spread, {
    rules: [
      ...chains.map(({ name, set }): Rule => ({
        when: [{ match: 'set', key: ['saddr'], set }],
        does: [{ do: 'goto', chain: name }],
      })),
      { when: [], does: [{ do: 'pick', chains: chains.map((one) => one.name) }] },
    ],
  })
  if (!masquerade) return `goto ${spread}`
  out.chain(`${spread}-masq`, {
    rules: [{ when: [], does: [{ do: 'mark' }, { do: 'goto', chain: spread }] }],
  })
  return `goto ${spread}-masq`
}

/** A fixed redirection of one tuple to one address, before any service: the node's own DNS. */
export function pinnedContribution(
  frontends: readonly { ip: string; proto: 'tcp' | 'udp'; port: number; to: { address: string; port: number } }[],
): Contribution {
  const out = createContribution()
  for (const { ip, proto, port, to } of frontends) {
    out.element('ip-eps', [ip, proto, port, 0], `${to.address} . ${to.port}`)
    out.element('ip-services', [ip, proto, port], `goto ${addSpread(out, 'ip', 'eps', 1, false)}`)
  }
  return out.done()
}

/** A container's hostPort: a port of this node (or of one of its addresses) that leads to one pod. */
export interface HostPort {
  /** Undefined, 0.0.0.0 or :: is every address of the node. */
  readonly hostIp?: string
  readonly hostPort: number
  readonly protocol: string
  readonly podIp: string
  readonly containerPort: number
}

export function hostPortContribution(ports: readonly HostPort[], family: Family): Contribution {
  const out = createContribution()
  for (const { hostIp, hostPort, protocol, podIp, containerPort } of ports) {
    const proto = protocol.toLowerCase()
    const add = (scope: Scope, key: Key): void => {
      out.element(`${scope}-eps`, [...key, 0], `${podIp} . ${containerPort}`)
      out.element(`${scope}-services`, key, `goto ${addSpread(out, scope, 'eps', 1, false)}`)
    }
    const anywhere = hostIp === undefined || hostIp === '' || hostIp === '0.0.0.0' || hostIp === '::'
    if (!anywhere && !isOfFamily(hostIp, family)) continue
    if (anywhere) add('port', [proto, hostPort])
    // The lookup by port leaves loopback alone, for the sake of node ports.
    const one = anywhere ? family.hostPortLoopback : addressesOf([hostIp], family)[0]
    if (one !== undefined) add('ip', [one, proto, hostPort])
    out.element('hairpin', [podIp, podIp])
  }
  return out.done()
}

function affinityOf(spec: ServiceSpec): number | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds
}

function clusterIps(spec: ServiceSpec): readonly string[] {
  return spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []
}

/** Addresses whose traffic this node must take; with ipMode Proxy the balancer delivers to node ports itself. */
function loadBalancerIps(service: Service): readonly string[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  return ingress.flatMap((one) => (one.ip !== undefined && one.ipMode !== 'Proxy' ? [one.ip] : []))
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
