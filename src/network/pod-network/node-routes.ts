import type { Node, ServiceCIDR } from '../../api/kinds.ts'
import { serviceRanges } from '../../api/service-ranges.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import type { Exec } from '../exec.ts'
import type { Auditable } from '../link-audit.ts'
import { parseCidr } from '../ipv4.ts'
import { guardDrift, routeDrift, type LinkListing, type RouteListing } from './drift.ts'
import { createIpCommand } from './ip-command.ts'
import {
  backendFor,
  linkLocalAddress,
  peerNodes,
  planRoutes,
  tunnelMac,
  type Backend,
  type PeerNode,
  type RoutePlan,
} from './route-plan.ts'
import { encryptionOverheadBytes, type Wireguard } from './wireguard.ts'

/** Marks our routes in the kernel's tables (RTA_PROTOCOL), so that others' are never touched. */
export const routeProtocol = '117'
/** Least preferred: what no other route covers. */
const lastMetric = '4278198272'
const tunnelId = '4096'
const tunnelPort = '8472'
/** Outer Ethernet, IPv4, UDP and VXLAN headers. */
export const tunnelOverheadBytes = 50

/** The encrypted tunnel's link, by the name of the pods' bridge. */
export const encryptedDeviceOf = (bridge: string): string => `${bridge}w`

const gatherMs = 20
const retryMs = 2_000

export interface NodeRoutesOptions {
  nodeName: string
  nodeIp: string
  /** This node's pod range, from which its end of the tunnel is named. */
  podCidr: string
  clusterCidr: string
  serviceCidr: string
  /** The same of IPv6, where pods have such addresses too. */
  ipv6?: { clusterCidr: string; serviceCidr: string }
  /** Bridge of the pods. */
  bridge: string
  /** `auto`: host-gw to nodes on the same link, vxlan to the others. */
  backend: Backend | 'auto'
  /** This node's link is not to be trusted: everything that passes it is encrypted. */
  isUntrusted: boolean
  /** Undefined on a node that cannot encrypt. */
  wireguard: Wireguard | undefined
  mtu: number
  informers: Informers
  exec: Exec
  clock: Clock
  logger: Logger
}

/**
 * Keeps the routes to other nodes' pods equal to the list of nodes, and those that keep virtual addresses inside the
 * machine: nothing of the cluster's ranges ever leaves by a default route.
 */
export function createNodeRoutes(
  options: NodeRoutesOptions,
): Service & Auditable & { reconcile(): Promise<void>; remove(): Promise<void> } {
  const { clock, logger, exec } = options
  const ip = createIpCommand(exec)
  const nodes = options.informers.for<Node>(refs.nodes)
  const tunnelDevice = `${options.bridge}x`
  const encryptedDevice = encryptedDeviceOf(options.bridge)
  let stops: (() => void)[] = []
  let timer: Timer | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = true
  let tunnelReady = false
  /** The peers for which everything is in place; looked at anew now and then, whatever changed. */
  let settled: string | undefined
  /** Routes that were set, as `ip route replace` takes them. */
  let applied: ReadonlyMap<string, string> = new Map()
  let guarded: readonly string[] = []
  const { ipv6 } = options
  const cidrs = options.informers.for<ServiceCIDR>(refs.serviceCidrs)
  /** Ranges of cluster IPs: those that the cluster was made with, and what was added. */
  const allServiceRanges = (): string[] => {
    const usable = serviceRanges(cidrs.list(), nodes.list()).filter(
      (range) => parseCidr(range) || (ipv6 && range.includes(':')),
    )
    return [...new Set([options.serviceCidr, ...(ipv6 ? [ipv6.serviceCidr] : []), ...usable])]
  }
  const guardedRanges = (): string[] => [
    ...allServiceRanges(),
    options.clusterCidr,
    ...(ipv6 ? [ipv6.clusterCidr] : []),
  ]
  const families = ipv6 ? (['-4', '-6'] as const) : (['-4'] as const)

  /** Our routes of every family in use. */
  async function presentRoutes(): Promise<RouteListing[]> {
    const lists = families.map((family) => ip.list<RouteListing>(family, 'route', 'show', 'proto', routeProtocol))
    return (await Promise.all(lists)).flat()
  }

  /** The link of the node's own address, which gets the address by which neighbours route IPv6 to it. */
  async function uplink6(): Promise<string | undefined> {
    if (!ipv6) return undefined
    const links = await ip.list<LinkListing>('addr', 'show')
    const uplink = links.find((link) => link.addr_info?.some((one) => one.local === options.nodeIp))?.ifname
    if (uplink === undefined) return undefined
    await ip.run('-6', 'addr', 'replace', `${linkLocalAddress(options.nodeIp)}/64`, 'dev', uplink, 'nodad')
    return uplink
  }

  async function onLink(address: string): Promise<boolean> {
    const [route] = await ip.list<{ gateway?: string }>('route', 'get', address)
    return route !== undefined && route.gateway === undefined
  }

  async function plan(peers: readonly PeerNode[]): Promise<RoutePlan> {
    const uplink = await uplink6()
    const backends = new Map<PeerNode, Backend>()
    for (const peer of peers) {
      const { backend, isUntrusted } = options
      const isOnLink = backend === 'auto' && (await onLink(peer.ip))
      backends.set(peer, backendFor(peer, { backend, isUntrusted, isOnLink }))
    }
    return planRoutes(peers, {
      backendOf: (peer) => backends.get(peer) ?? 'host-gw',
      tunnelDevice,
      tunnelMtu: options.mtu - tunnelOverheadBytes,
      ...(uplink === undefined ? {} : { uplink6: uplink }),
      ...(options.wireguard
        ? { encryption: { device: encryptedDevice, mtu: options.mtu - encryptionOverheadBytes } }
        : {}),
    })
  }

  async function ensureTunnel(): Promise<void> {
    if (tunnelReady) return
    const own = parseCidr(options.podCidr)
    if (!own) throw new Error(`the node's pod range ${options.podCidr} is none`)
    await ip.attempt('link', 'del', tunnelDevice)
    await ip.batch([
      `link add ${tunnelDevice} address ${tunnelMac(own.first)} type vxlan id ${tunnelId} dstport ${tunnelPort} local ${options.nodeIp} nolearning`,
      `link set ${tunnelDevice} mtu ${options.mtu - tunnelOverheadBytes} up`,
    ])
    tunnelReady = true
  }

  async function reconcile(): Promise<void> {
    const peers = peerNodes(nodes.list(), options.nodeName)
    const services = allServiceRanges()
    const subject = JSON.stringify([peers, services])
    // Nodes say every few seconds that they are well; that is no news here.
    if (subject === settled) return
    settled = undefined
    const wanted = await plan(peers)
    if (wanted.withheld.length > 0) {
      logger.error(
        { nodes: wanted.withheld },
        'no way to nodes that may only be reached encrypted: WireGuard is missing',
      )
    }
    const fixed = new Map([
      ...services.map((range): [string, string] => [range, `dev ${options.bridge}`]),
      ...wanted.routes,
    ])
    if (wanted.forwarding.size > 0) await ensureTunnel()
    if (wanted.encrypted.size > 0) await options.wireguard?.apply(wanted.encrypted)
    await ip.batchAll(
      [...wanted.neighbours].map(
        ([neighbour, mac]) => `neigh replace ${neighbour} lladdr ${mac} dev ${tunnelDevice} nud permanent`,
      ),
    )
    await ip.batchAll(
      [...wanted.forwarding].map(([mac, to]) => `fdb replace ${mac} dev ${tunnelDevice} dst ${to} self permanent`),
      'bridge',
    )
    let failure: unknown
    try {
      await ip.batchAll(
        [...fixed].map(([destination, rest]) => `route replace ${destination} ${rest} proto ${routeProtocol}`),
      )
    } catch (error) {
      // One node that cannot be reached must not keep the others' routes away.
      failure = error
    }
    const present = await presentRoutes()
    await guard()
    for (const { dst, type } of present) {
      const isWanted = type === undefined ? fixed.has(dst) : guarded.includes(dst)
      if (!isWanted) await ip.attempt('route', 'del', ...(type ? [type] : []), dst, 'proto', routeProtocol)
    }
    applied = fixed
    if (failure) throw failure
    settled = subject
  }

  /** Virtual addresses do not leave by a default route, whatever else is missing. */
  async function guard(): Promise<void> {
    guarded = guardedRanges()
    for (const range of guarded)
      await ip.run('route', 'replace', 'unreachable', range, 'metric', lastMetric, 'proto', routeProtocol)
  }

  async function audit(): Promise<string[]> {
    const present = await presentRoutes()
    const drift = [...guardDrift(guarded, present), ...routeDrift(applied, present)]
    if (tunnelReady && !(await ip.attempt('link', 'show', tunnelDevice))) {
      tunnelReady = false
      drift.push(`link ${tunnelDevice} is missing`)
    }
    await guard()
    // Neighbours, the tunnel's table and encrypted peers are told anew too: comparing them costs as much.
    settled = undefined
    options.wireguard?.forget()
    await reconcile()
    return drift
  }

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = running.then(run, run)
    running = result.then(
      () => {},
      () => {},
    )
    return result
  }

  async function round(): Promise<void> {
    try {
      await inTurn(reconcile)
    } catch (error) {
      logger.warn({ error: (error as Error).message }, 'routes to other nodes could not be set')
      // A change during the round has already asked for the next one.
      if (timer === undefined) schedule(retryMs)
    }
  }

  function schedule(delayMs: number): void {
    timer?.cancel()
    if (!stopped) {
      timer = clock.after(delayMs, () => {
        timer = undefined
        void round()
      })
    }
  }

  return {
    reconcile: () => inTurn(reconcile),
    audit: () => inTurn(audit),
    async start() {
      stopped = false
      await guard()
      stops = [nodes, cidrs].map((informer) => informer.onChange(() => schedule(gatherMs)))
      await round()
    },
    async stop() {
      stopped = true
      for (const stop of stops) stop()
      timer?.cancel()
      await running
    },
    async remove() {
      for (const family of families) await ip.attempt(family, 'route', 'flush', 'proto', routeProtocol)
      await ip.attempt('link', 'del', tunnelDevice)
      await ip.attempt('link', 'del', encryptedDevice)
    },
  }
}
