import type { IPAddress, Service, ServiceCIDR } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { isOfService } from '../controllers/reconcile/ip-address.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import { sameOffset } from '../lib/ip-address.ts'
import type { Logger } from '../lib/log.ts'
import type { ServiceAddresses } from '../registry/ports.ts'
import { holdings } from '../registry/service-allocation.ts'
import type { ClusterConfig } from './membership-file.ts'

const isIpv4 = (text: string): boolean => !text.includes(':')

/** ServiceCIDRs that are Ready and not about to go: only of those an address may be given. */
const usable = (informers: Informers): ServiceCIDR[] =>
  informers
    .for<ServiceCIDR>(refs.serviceCidrs)
    .list()
    .filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp && status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
    )

/** IPv4 ranges of cluster IPs that were added to the one that the cluster was made with. */
export const furtherRanges = (informers: Informers, { serviceCidr }: ClusterConfig): string[] =>
  usable(informers)
    .flatMap(({ spec }) => spec?.cidrs ?? [])
    .filter((cidr) => isIpv4(cidr) && cidr !== serviceCidr)

/**
 * Cluster IPs of both families go together by their place in the ranges of one ServiceCIDR. Undefined in a cluster of one
 * family.
 */
export function pairedFamilies(informers: Informers, config: ClusterConfig): ServiceAddresses['secondFamily'] {
  const { ipv6, serviceCidr } = config
  if (!ipv6) return undefined
  const own: [string, string] = [serviceCidr, ipv6.serviceCidr]
  const pairs = (): [string, string][] => [
    own,
    ...informers
      .for<ServiceCIDR>(refs.serviceCidrs)
      .list()
      .flatMap(({ spec }): [string, string][] => {
        const [first, second] = (spec?.cidrs ?? []).toSorted((a, b) => Number(isIpv4(b)) - Number(isIpv4(a)))
        return first && second && isIpv4(first) && !isIpv4(second) ? [[first, second]] : []
      }),
  ]
  const firstOf = (of: (pair: [string, string]) => string | undefined): string | undefined => {
    for (const pair of pairs()) {
      const found = of(pair)
      if (found !== undefined) return found
    }
    return undefined
  }
  return {
    toIpv6: (ip) => firstOf(([from, to]) => sameOffset(ip, from, to)),
    toIpv4: (ip) => (isIpv4(ip) ? undefined : firstOf(([to, from]) => sameOffset(ip, from, to))),
  }
}

/** The IPv4 address, or for an IPv6 one that which goes with it, that a user keeps by an IPAddress. */
const keptByUser = (address: IPAddress, families: ServiceAddresses['secondFamily']): string[] => {
  const { name = '' } = address.metadata
  return isOfService(address) ? [] : [families?.toIpv4(name) ?? name]
}

/** Follows which ClusterIPs and NodePorts are in use, so that it costs a look whether one is, however many Services there are. */
export function followHoldings(informers: Informers, families: ServiceAddresses['secondFamily']) {
  const counts = new Map<string, number>()
  const held = new Map<string, readonly string[]>()

  function replace(owner: string, values: readonly string[]): void {
    for (const value of held.get(owner) ?? []) {
      const left = (counts.get(value) ?? 0) - 1
      if (left > 0) counts.set(value, left)
      else counts.delete(value)
    }
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
    if (values.length > 0) held.set(owner, values)
    else held.delete(owner)
  }
  function follow<T extends KubeObject>(ref: GroupResource, valuesOf: (object: T) => string[]): () => void {
    const informer = informers.for<T>(ref)
    const take = (namespace: string, name: string, object: T | undefined) =>
      replace(`${ref.resource}/${namespace}/${name}`, object ? valuesOf(object) : [])
    const readAll = () => {
      for (const one of informer.list()) take(one.metadata.namespace ?? '', one.metadata.name ?? '', one)
    }
    informer.onChange(({ object, namespace, name }) => take(namespace, name, object))
    readAll()
    return readAll
  }
  const readAgain = [
    follow<Service>(refs.services, (service) => {
      const { clusterIps, nodePorts } = holdings(service, families)
      return [...clusterIps, ...nodePorts.map(String)]
    }),
    follow<IPAddress>(refs.ipAddresses, (address) => keptByUser(address, families)),
  ]
  // Which IPv6 address goes with which IPv4 one is as the ranges say.
  if (families) informers.for<ServiceCIDR>(refs.serviceCidrs).onChange(() => readAgain.forEach((read) => read()))
  return (value: string): boolean => counts.has(value)
}

/** Services' addresses from the decision log. */
export function serviceAddresses({
  decisions,
  informers,
  config,
  logger,
}: {
  decisions: DecisionLog
  informers: Informers
  config: ClusterConfig
  logger: Logger
}): ServiceAddresses {
  // Taken by the cluster itself when it was made; the Services that bear them are made by its leader.
  const own = new Set([config.kubernetesIp, config.dnsIp])
  const families = pairedFamilies(informers, config)
  const isKept = (ip: string): boolean => {
    const names = [ip, families?.toIpv6(ip)].filter((one) => one !== undefined)
    const found = names.map((name) => informers.for<IPAddress>(refs.ipAddresses).get('', name))
    return found.some((one) => one !== undefined && !isOfService(one))
  }
  async function claimOwn(ip: string): Promise<void> {
    const services = informers.for<Service>(refs.services).list()
    if (services.some(({ spec }) => spec?.clusterIP === ip)) throw errors.alreadyExists(refs.services, ip)
  }
  return {
    ...(families ? { secondFamily: families } : {}),
    takeClusterIp: () => decisions.takeClusterIp(),
    takeNodePort: () => decisions.takeNodePort(),
    replenish: () => decisions.replenish(),
    returnClusterIp: (ip) => decisions.returnClusterIp(ip),
    returnNodePort: (port) => decisions.returnNodePort(port),
    async claim({ clusterIp, nodePort, owner }) {
      if (nodePort !== undefined) await decisions.claim(nodePort, { owner })
      if (clusterIp === undefined) return
      if (own.has(clusterIp)) return claimOwn(clusterIp)
      if (isKept(clusterIp)) throw new StatusError('Conflict', 'provided IP is already allocated')
      const range = furtherRanges(informers, config).find((one) => sameOffset(clusterIp, one, one) !== undefined)
      await decisions.claim(clusterIp, { owner, ...(range === undefined ? {} : { range }) })
    },
    async release({ clusterIps, nodePorts }) {
      // The object is gone already; without a leader now, the next one takes back what nobody uses.
      await decisions
        .command(
          { type: 'release', clusterIps: clusterIps.filter((ip) => !own.has(ip)), nodePorts },
          { timeoutMs: 500 },
        )
        .catch((error: unknown) => logger.debug({ error: String(error) }, 'addresses not released yet'))
    },
  }
}
