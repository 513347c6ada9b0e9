import { readFile } from 'node:fs/promises'
import type { ConfigMap } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Random } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { inRange, ipv4, ipv6 } from '../family.ts'
import { createDnsServer } from './dns-server.ts'
import { createForwarder, type Forwarder, upstreamsOf } from './forwarder.ts'
import { dnsConfigMap, readUpstreamPlan } from './stub-domains.ts'
import { createZoneView } from './zone-view.ts'

/** Whose addresses the cluster knows: pods' and Services', and the one that pods ask. */
interface Ranges {
  clusterCidr: string
  serviceCidr: string
  dnsIp: string
}

export interface NodeDnsOptions extends Ranges {
  /** This node's own addresses to answer at. */
  servers: readonly string[]
  ipv6?: Ranges
  clusterDomain: string
  /** Where upstream servers are named; default /etc/resolv.conf. */
  resolvConf?: string
  informers: Informers
  events: EventRecorder
  clock: Clock
  random: Random
  logger: Logger
}

/** DNS of one node for its pods: the cluster's names, and through other servers all others. */
export async function createNodeDns(options: NodeDnsOptions): Promise<Service> {
  const { informers, clock, random, logger, servers } = options
  const families = [options, ...(options.ipv6 ? [options.ipv6] : [])]
  const ownServers = [...servers, ...families.map(({ dnsIp }) => dnsIp)]
  const ownRanges = families.flatMap(({ clusterCidr, serviceCidr }) => [clusterCidr, serviceCidr])
  const view = createZoneView(informers)
  const forwarder = createForwarder({
    upstreams: upstreamsOf(await readText(options.resolvConf ?? '/etc/resolv.conf'), ownServers),
    clock,
    random,
  })
  const stopFollowing = followConfigMap(options, forwarder)
  const listeners = servers.map((address) =>
    createDnsServer({
      address,
      port: 53,
      view,
      forwarder,
      random,
      clock,
      logger,
      config: {
        domain: options.clusterDomain,
        ownsAddress: (text) => [ipv4, ipv6].some((family) => ownRanges.some((range) => inRange(text, range, family))),
      },
    }),
  )
  return {
    async start() {
      for (const one of listeners) await one.start()
    },
    async stop() {
      for (const one of listeners) await one.stop()
      stopFollowing()
      view.close()
      forwarder.close()
    },
  }
}

/** Stub domains and upstream servers as the ConfigMap has them, from now on. Returns the way to stop. */
function followConfigMap(
  { informers, events, logger }: Pick<NodeDnsOptions, 'informers' | 'events' | 'logger'>,
  forwarder: Forwarder,
): () => void {
  const configMaps = informers.for<ConfigMap>(refs.configMaps)
  const follow = (): void => {
    const found = configMaps.get(dnsConfigMap.namespace, dnsConfigMap.name)
    const { problems, ...plan } = readUpstreamPlan(found)
    forwarder.follow(plan)
    if (!found || problems.length === 0) return
    logger.warn({ problems }, 'the ConfigMap of DNS has faults')
    const about = { apiVersion: 'v1', kind: 'ConfigMap', ...dnsConfigMap, uid: found.metadata.uid }
    events.event(about, 'Warning', 'InvalidDNSConfig', problems.join('; '))
  }
  follow()
  return configMaps.onChange(({ namespace, name }) => {
    if (namespace === dnsConfigMap.namespace && name === dnsConfigMap.name) follow()
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    // No file, no upstream: the cluster's own names are all there is.
    return ''
  }
}
