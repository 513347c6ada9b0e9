import type { EndpointSlice, Service } from '../../api/kinds.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import { formatAddress } from '../../lib/ip-address.ts'
import type { ZoneView } from './zone-view.ts'

/** The record types that the zone has. */
export type ZoneRecord =
  | { type: 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'NS' | 'TXT'; name: string; ttl: number; data: string }
  | { type: 'SRV'; name: string; ttl: number; data: SrvData }
  | { type: 'SOA'; name: string; ttl: number; data: SoaData }

interface SrvData {
  priority: number
  weight: number
  port: number
  target: string
}

interface SoaData {
  mname: string
  rname: string
  serial: number
  refresh: number
  retry: number
  expire: number
  minimum: number
}

export interface Question {
  /** As asked; names compare without case. */
  readonly name: string
  readonly type: string
}

export type Answer =
  | {
      kind: 'answer'
      rcode: 'NOERROR' | 'NXDOMAIN'
      answers: ZoneRecord[]
      /** The SOA of a negative answer (RFC 2308). */
      authorities: ZoneRecord[]
      additionals: ZoneRecord[]
    }
  /** A CNAME that leads out of the zone: its target is looked up upstream and added. */
  | { kind: 'alias'; answers: ZoneRecord[]; target: string }
  /** Not of this zone. */
  | { kind: 'forward' }

export interface ZoneConfig {
  /** Such as `cluster.local`. */
  readonly domain: string
  /** Ranges whose reverse names are the zone's own, so that a miss is NXDOMAIN and does not go upstream. */
  ownsAddress(ip: string): boolean
}

const ttlSeconds = 30
const specVersion = '1.1.0'

interface Host {
  readonly ip: string
  /** First label of its own name below the service. */
  readonly label: string
}

/**
 * Answers a question from the cluster's objects: Kubernetes DNS-Based Service Discovery 1.1.0, with CoreDNS' choices
 * where the specification leaves one (pod names without verification, NODATA for a headless service without endpoints).
 */
export function resolve(question: Question, view: ZoneView, config: ZoneConfig): Answer {
  const name = question.name.toLowerCase().replace(/\.$/, '')
  const reverse = reverseAddress(name)
  if (reverse !== undefined) return resolveReverse(name, reverse, question.type, view, config)
  const { domain } = config
  if (name !== domain && !name.endsWith(`.${domain}`)) return { kind: 'forward' }
  const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split('.')
  const finder: Finder = { view, domain, name, asked: question.name, type: question.type }
  return positive(finder, find(finder, labels))
}

interface Finder {
  readonly view: ZoneView
  readonly domain: string
  readonly name: string
  /** The name in the asker's case, which answers repeat. */
  readonly asked: string
  readonly type: string
}

/** Records of every type that the name has; undefined when there is no such name. */
type Found = { records: ZoneRecord[]; additionals?: ZoneRecord[]; alias?: string } | undefined

function find(finder: Finder, labels: readonly string[]): Found {
  const { domain, asked, view } = finder
  const root = labels.at(-1)
  if (root === undefined)
    return { records: [soa(domain), { type: 'NS', name: asked, ttl: ttlSeconds, data: `ns.dns.${domain}` }] }
  if (labels.length === 1 && root === 'dns-version') {
    return { records: [{ type: 'TXT', name: asked, ttl: ttlSeconds, data: specVersion }] }
  }
  if (root !== 'svc' && root !== 'pod') return undefined
  const namespace = labels.at(-2)
  if (namespace === undefined) return { records: [] }
  if (!view.hasNamespace(namespace)) return undefined
  const rest = labels.slice(0, -2)
  if (rest.length === 0) return { records: [] }
  return root === 'pod' ? findPod(finder, rest) : findService(finder, namespace, rest)
}

function findPod({ asked }: Finder, rest: readonly string[]): Found {
  const ip = rest.length === 1 ? dashedIp(rest[0] ?? '') : undefined
  return ip === undefined ? undefined : { records: [address(asked, ip)] }
}

function findService(finder: Finder, namespace: string, rest: readonly string[]): Found {
  const { view, asked } = finder
  const service = view.service(namespace, rest.at(-1) ?? '')
  if (!service) return undefined
  const below = rest.slice(0, -1)
  const { spec } = service
  if (spec?.type === 'ExternalName') {
    if (below.length > 0 || !spec.externalName) return undefined
    const target = spec.externalName.replace(/\.$/, '')
    return { records: [{ type: 'CNAME', name: asked, ttl: ttlSeconds, data: target }], alias: target }
  }
  const hosts = isHeadless(service) ? readyHosts(view.slices(namespace, service.metadata.name ?? '')) : undefined
  const ips = hosts?.map((one) => one.ip) ?? clusterIps(service)
  if (below.length === 0) {
    // Clients that look for their peers ask for the servers of a whole service, as CoreDNS lets them.
    if (finder.type === 'SRV') return findSrv(finder, service) ?? { records: [] }
    return { records: [...new Set(ips)].map((ip) => address(asked, ip)) }
  }
  if (below.length === 1 && hosts) {
    const own = hosts.filter((one) => one.label === below[0])
    return own.length === 0 ? undefined : { records: own.map((one) => address(asked, one.ip)) }
  }
  const [port = '', proto = ''] = below
  if (below.length !== 2 || !port.startsWith('_') || !proto.startsWith('_')) return undefined
  return findSrv(finder, service, { port: port.slice(1), protocol: proto.slice(1).toUpperCase() })
}

/** Of one port, or of all of them. */
function findSrv(finder: Finder, service: Service, wanted?: { port: string; protocol: string }): Found {
  const { view, domain, asked } = finder
  const { namespace = '', name = '' } = service.metadata
  const base = `${name}.${namespace}.svc.${domain}`
  const isWanted = (port: { name?: string; protocol?: string }): boolean =>
    !wanted || ((port.name ?? '') === wanted.port && (port.protocol ?? 'TCP') === wanted.protocol)
  const targets: { target: string; ip: string; port: number }[] = []
  if (isHeadless(service)) {
    for (const slice of view.slices(namespace, name)) {
      for (const port of slice.ports ?? []) {
        if (!isWanted(port)) continue
        for (const host of readyHosts([slice])) {
          targets.push({ target: `${host.label}.${base}`, ip: host.ip, port: port.port ?? 0 })
        }
      }
    }
  } else {
    for (const port of service.spec?.ports ?? []) {
      if (!isWanted(port)) continue
      for (const ip of clusterIps(service)) targets.push({ target: base, ip, port: port.port })
    }
  }
  if (targets.length === 0) return undefined
  const unique = new Map(targets.map((one) => [`${one.target}:${one.port}`, one]))
  const weight = Math.max(1, Math.floor(100 / unique.size))
  return {
    records: [...unique.values()].map(({ target, port }) => ({
      type: 'SRV',
      name: asked,
      ttl: ttlSeconds,
      data: { priority: 0, weight, port, target },
    })),
    additionals: targets.map(({ target, ip }) => address(target, ip)),
  }
}

function positive({ domain, type }: Finder, found: Found): Answer {
  if (!found) return negative('NXDOMAIN', domain)
  if (found.alias !== undefined) {
    return type === 'CNAME'
      ? { kind: 'answer', rcode: 'NOERROR', answers: found.records, authorities: [], additionals: [] }
      : { kind: 'alias', answers: found.records, target: found.alias }
  }
  const answers = type === 'ANY' ? found.records : found.records.filter((record) => record.type === type)
  if (answers.length === 0) return negative('NOERROR', domain)
  return { kind: 'answer', rcode: 'NOERROR', answers, authorities: [], additionals: found.additionals ?? [] }
}

const negative = (rcode: 'NOERROR' | 'NXDOMAIN', zone: string): Answer => ({
  kind: 'answer',
  rcode,
  answers: [],
  authorities: [soa(zone)],
  additionals: [],
})

function resolveReverse(name: string, ip: string, type: string, view: ZoneView, config: ZoneConfig): Answer {
  const targets = new Set<string>()
  const service = view.serviceByIp(ip)
  if (service) targets.add(`${service.metadata.name}.${service.metadata.namespace}.svc.${config.domain}`)
  else {
    for (const slice of view.slicesByIp(ip)) {
      const { namespace = '', labels } = slice.metadata
      const owner = labels?.[serviceNameLabel] ?? ''
      const headless = view.service(namespace, owner)
      if (!headless || !isHeadless(headless)) continue
      for (const host of readyHosts([slice])) {
        if (host.ip === ip) targets.add(`${host.label}.${owner}.${namespace}.svc.${config.domain}`)
      }
    }
  }
  if (targets.size === 0) return config.ownsAddress(ip) ? negative('NXDOMAIN', name) : { kind: 'forward' }
  if (type !== 'PTR' && type !== 'ANY') return negative('NOERROR', name)
  const answers = [...targets].map((data): ZoneRecord => ({ type: 'PTR', name, ttl: ttlSeconds, data }))
  return { kind: 'answer', rcode: 'NOERROR', answers, authorities: [], additionals: [] }
}

const isHeadless = (service: Service): boolean => service.spec?.clusterIP === 'None'

function clusterIps(service: Service): readonly string[] {
  const { clusterIPs, clusterIP } = service.spec ?? {}
  return (clusterIPs?.length ? clusterIPs : [clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None')
}

/** Endpoints that may be named: the ready ones (which includes unready ones of publishNotReadyAddresses services). */
function readyHosts(slices: readonly EndpointSlice[]): Host[] {
  return slices.flatMap((slice) =>
    slice.addressType === 'FQDN'
      ? []
      : (slice.endpoints ?? [])
          .filter((endpoint) => endpoint.conditions?.ready ?? true)
          .flatMap((endpoint) =>
            endpoint.addresses.map((ip) => ({
              ip,
              label: endpoint.hostname?.toLowerCase() || ip.replaceAll(/[.:]/g, '-'),
            })),
          ),
  )
}

const address = (name: string, ip: string): ZoneRecord => ({
  type: ip.includes(':') ? 'AAAA' : 'A',
  name,
  ttl: ttlSeconds,
  data: ip,
})

/** Serial and timers as CoreDNS gives them; nobody transfers the zone. */
const soa = (zone: string): ZoneRecord => ({
  type: 'SOA',
  name: zone,
  ttl: ttlSeconds,
  data: {
    mname: `ns.dns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttlSeconds,
  },
})

/** `10-244-1-10` → `10.244.1.10`, `fd00--1` → `fd00::1`. */
function dashedIp(label: string): string | undefined {
  if (/^\d{1,3}(-\d{1,3}){3}$/.test(label)) {
    const ip = label.replaceAll('-', '.')
    return ip.split('.').every((part) => Number(part) <= 255) ? ip : undefined
  }
  return /^[0-9a-f]{0,4}(-[0-9a-f]{0,4}){2,7}$/.test(label) ? label.replaceAll('-', ':') : undefined
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for. */
function reverseAddress(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const parts = name.slice(0, -'.in-addr.arpa'.length).split('.')
    return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part))
      ? parts.toReversed().join('.')
      : undefined
  }
  if (!name.endsWith('.ip6.arpa')) return undefined
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.')
  if (nibbles.length !== 32) return undefined
  if (!nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined
  // As objects have it, who write addresses in their one canonical form.
  return formatAddress(BigInt(`0x${nibbles.toReversed().join('')}`), 128)
}
