import { refs } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { linkTrustAnnotation, publicKeyAnnotation } from '../api/encrypted-link.ts'
import type { Node } from '../api/kinds.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { sameOffset } from '../lib/ip-address.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import { createNodeDns } from './dns/node-dns.ts'
import type { Exec } from './exec.ts'
import { ipv4, ipv6 } from './family.ts'
import { createLinkAudit } from './link-audit.ts'
import { createAddressAnnouncer } from './load-balancer/address-announcer.ts'
import { createNodeRoutes, encryptedDeviceOf, tunnelOverheadBytes } from './pod-network/node-routes.ts'
import { createPodNetwork, gatewayOf, linkMtu, type Attachment } from './pod-network/pod-network.ts'
import type { Backend } from './pod-network/route-plan.ts'
import { createWireguard, encryptionOverheadBytes } from './pod-network/wireguard.ts'
import { defaultBridge, defaultTable } from './remove.ts'
import { createServiceProxy, type ServiceProxy } from './proxy/service-proxy.ts'

export interface NetworkOptions {
  nodeName: string
  /** This machine's address, at which other nodes reach it and its API server listens. */
  nodeIp: string
  /** This node's pod range. */
  podCidr: string
  /** Port of this node's API server, which its pods prefer while it takes connections. */
  apiPort?: number
  /** All nodes' pod ranges. */
  clusterCidr: string
  serviceCidr: string
  /** The same ranges of IPv6, and DNS' address there, where pods and services have such addresses too. */
  ipv6?: { podCidr: string; clusterCidr: string; serviceCidr: string; dnsIp: string }
  /** Such as `cluster.local`. */
  clusterDomain: string
  /** The service address of DNS, such as 10.96.0.10; answered by this node itself. */
  dnsIp: string
  /** Bridge of the pods; default `stormo0`. At most 14 characters. */
  bridge?: string
  /** nft table of family ip; default `stormo`. */
  table?: string
  /** Default `auto`: host-gw to nodes on the same link, vxlan to the others. */
  backend?: Backend | 'auto'
  /** The link of `nodeIp` is not to be trusted: what passes it between pods is encrypted. Default false. */
  isLinkUntrusted?: boolean
  /** Where this node's secret key is kept. */
  keyFile: string
  /** First process of the pod's sandbox while it runs. */
  sandboxPid(podUid: string): Promise<number | undefined>
  /** Default: that of the interface with `nodeIp`, less the tunnel's headers when every peer is reached through it. */
  mtu?: number
  /** Where upstream DNS servers are named; default /etc/resolv.conf. */
  resolvConf?: string
  informers: Informers
  events: EventRecorder
  exec: Exec
  clock: Clock
  random: Random
  logger: Logger
}

/** What the kubelet asks of the pod network. */
export interface PodNetwork {
  /** `pid`: the sandbox's first process. Level-triggered: attaching what is attached returns the same address. */
  attach(input: { readonly podUid: string; readonly pid: number }): Promise<{ ip: string }>
  detach(podUid: string): Promise<void>
  list(): Promise<readonly Attachment[]>
}

export interface Network extends Service {
  readonly pods: PodNetwork
  /** What other nodes have to know of this one: for its Node. */
  readonly nodeAnnotations: Readonly<Record<string, string>>
  /** Resolves when the kernel has the service rules of everything that changed before the call. */
  flush(): Promise<void>
  /** Compares the kernel's links, routes and rules with what they should be, and repairs. Returns the differences found. */
  audit(): Promise<readonly string[]>
  /** Removes every rule, route and link that this network made. Only when stopped. */
  reset(): Promise<void>
}

/**
 * The network of one node: its pods' links and addresses, routes to other nodes' pods, service rules, DNS. Stopping
 * leaves all of the kernel's part in place, so that connections outlive a restart of the agent; `reset` removes it.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { informers, exec, clock, nodeName, nodeIp, podCidr, clusterCidr, serviceCidr } = options
  const logger = options.logger.child({ component: 'network' })
  const bridge = options.bridge ?? defaultBridge
  const backend = options.backend ?? 'auto'
  const underlayMtu = await linkMtu(exec, nodeIp)
  const isUntrusted = options.isLinkUntrusted ?? false
  const overheadBytes = isUntrusted ? encryptionOverheadBytes : backend === 'vxlan' ? tunnelOverheadBytes : 0
  const mtu = options.mtu ?? underlayMtu - overheadBytes
  const gateway = gatewayOf(podCidr)
  const gateway6 = options.ipv6 && sameOffset(gateway, podCidr, options.ipv6.podCidr)
  const base = { exec, clock, logger, informers, nodeName }

  const podNetwork = createPodNetwork({
    podCidr,
    ...(options.ipv6 ? { podCidr6: options.ipv6.podCidr } : {}),
    bridge,
    mtu,
    sandboxPid: options.sandboxPid,
    exec,
    logger,
  })
  const wireguard = await createWireguard({
    device: encryptedDeviceOf(bridge),
    keyFile: options.keyFile,
    podCidr,
    mtu: underlayMtu,
    exec,
    logger,
  })
  const routes = createNodeRoutes({
    ...base,
    nodeIp,
    podCidr,
    clusterCidr,
    serviceCidr,
    ...(options.ipv6 ? { ipv6: options.ipv6 } : {}),
    bridge,
    backend,
    isUntrusted,
    wireguard,
    mtu: underlayMtu,
  })
  const proxies = createProxies({ ...options, logger, bridge }, [gateway, gateway6], tellDrift)
  const linkAudit = createLinkAudit({
    parts: [podNetwork, routes],
    clock,
    logger,
    onDrift: (drift) => tellDrift('PodNetworkRepaired', "The node's links, routes and settings", drift),
  })
  function tellDrift(reason: string, what: string, drift: readonly string[]): void {
    logger.warn({ drift }, `${what} were changed by somebody; they have been put right`)
    const uid = informers.for<Node>(refs.nodes).get('', nodeName)?.metadata.uid ?? nodeName
    options.events.event(
      { apiVersion: 'v1', kind: 'Node', name: nodeName, uid },
      'Warning',
      reason,
      `${what} differed from the cluster's state and were restored: ${drift.join('; ')}`,
    )
  }
  const announcer = createAddressAnnouncer({ ...base, nodeIp })
  const dns = await createNodeDns({
    ...options,
    logger,
    servers: [gateway, ...(gateway6 === undefined ? [] : [gateway6])],
  })

  let state: 'new' | 'running' | 'stopped' = 'new'
  return {
    pods: podNetwork,
    nodeAnnotations: {
      ...(wireguard ? { [publicKeyAnnotation]: wireguard.publicKey } : {}),
      [linkTrustAnnotation]: isUntrusted ? 'untrusted' : 'trusted',
    },
    flush: async () => void (await Promise.all(proxies.map((one) => one.flush()))),
    async audit() {
      const drift = [...(await linkAudit.audit())]
      for (const one of proxies) drift.push(...(await one.audit()))
      return drift
    },
    async start() {
      if (state !== 'new') throw new Error('a network is started once')
      state = 'running'
      // The rules that keep virtual addresses inside come before the first route to them.
      for (const one of proxies) await one.start()
      await podNetwork.start()
      await routes.start()
      await dns.start()
      await announcer.start()
      await linkAudit.start()
      logger.info({ bridge, podCidr, mtu, backend }, 'network is up')
    },
    async stop() {
      if (state === 'stopped') return
      state = 'stopped'
      await linkAudit.stop()
      await announcer.stop()
      await dns.stop()
      await routes.stop()
      for (const one of proxies) await one.stop()
    },
    async reset() {
      await announcer.remove()
      await routes.remove()
      await podNetwork.remove()
      for (const one of proxies) await one.remove()
    },
  }
}

/** The service rules of each family in use. */
function createProxies(
  options: NetworkOptions & { bridge: string },
  [gateway, gateway6]: readonly [string, string | undefined],
  tellDrift: (reason: string, what: string, drift: readonly string[]) => void,
): ServiceProxy[] {
  const { nodeIp, podCidr, clusterCidr, serviceCidr, apiPort, bridge, table = defaultTable, ipv6: ranges6 } = options
  const apiServer = apiPort === undefined ? {} : { apiServer: { address: nodeIp, port: apiPort } }
  const proxy = createServiceProxy({
    ...options,
    family: ipv4,
    table,
    ranges: { clusterCidr, podCidr, serviceCidr, bridge, ...apiServer },
    pinned: pinnedDns(options.dnsIp, gateway),
    onDrift: (drift) => tellDrift('ServiceRulesRepaired', "The kernel's service rules", drift),
  })
  if (!ranges6) return [proxy]
  const proxy6 = createServiceProxy({
    ...options,
    family: ipv6,
    table,
    ranges: { ...ranges6, bridge },
    pinned: gateway6 === undefined ? [] : pinnedDns(ranges6.dnsIp, gateway6),
    onDrift: (drift) => tellDrift('ServiceRulesRepaired', "The kernel's service rules for IPv6", drift),
  })
  return [proxy, proxy6]
}

/** DNS' service address leads to this node's own server. */
const pinnedDns = (ip: string, address: string) =>
  (['udp', 'tcp'] as const).map((proto) => ({ ip, proto, port: 53, to: { address, port: 53 } }))
