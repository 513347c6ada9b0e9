import type { Logger } from '../../lib/log.ts'
import type { Exec } from '../exec.ts'
import { createKeyedTurns } from '../../lib/keyed-turns.ts'
import { sameOffset } from '../../lib/ip-address.ts'
import { formatIpv4, parseCidr } from '../ipv4.ts'
import { createAddressPool } from './address-pool.ts'
import { bridgeDrift, podLinkDrift, settingDrift, type LinkListing } from './drift.ts'
import { allowForwarding, isForwardingBlocked, withdrawForwarding } from './forwarding.ts'
import { createIpCommand } from './ip-command.ts'
import { podInterface, podLinkName, podLinkSteps, podOfLink } from './pod-link.ts'
import { tunnelMac } from './route-plan.ts'

export interface PodNetworkOptions {
  /** This node's pod range, such as 10.244.1.0/24; its first address is the bridge's. */
  podCidr: string
  /** Its range of IPv6, such as fd00:10:244:1::/64: each pod gets the address that has the same place in it. */
  podCidr6?: string
  /** At most 14 characters; agents that share a network namespace need different ones. */
  bridge: string
  mtu: number
  /** First process of the pod's sandbox, undefined when none runs: by it a lost link is made anew. */
  sandboxPid(podUid: string): Promise<number | undefined>
  exec: Exec
  logger: Logger
}

/** What is attached: from the links of the bridge, which carry it as their alias. */
export interface Attachment {
  readonly podUid: string
  readonly ip: string
}

const bridgeFilter = 'net/bridge/bridge-nf-call-iptables'

/**
 * Pods' own network: a veth pair from the sandbox to the node's bridge, made without the container runtime. The state
 * is the links themselves (their alias says pod and address), so a restart finds it and nothing can disagree with it.
 */
export function createPodNetwork(options: PodNetworkOptions) {
  const { bridge, mtu } = options
  const range = parseCidr(options.podCidr)
  if (!range) throw new Error(`the node's pod range ${JSON.stringify(options.podCidr)} is none`)
  const ip = createIpCommand(options.exec)
  const pool = createAddressPool(range)
  const { podCidr6 } = options
  const address6Of = (address: string): string | undefined =>
    podCidr6 === undefined ? undefined : sameOffset(address, options.podCidr, podCidr6)
  const gateway6 = address6Of(pool.gateway)
  const { first, prefixLength } = range
  const prefixLength6 = podCidr6 === undefined ? undefined : Number(podCidr6.split('/')[1])
  const attached = new Map<string, string>()
  /** Work on one pod is done one after another. */
  const inTurn = createKeyedTurns()
  /** Without br_netfilter, pods of one node must reach each other through routing, else answers skip the translation. */
  let routed = false

  const settings = settingsFor(bridge, podCidr6 !== undefined)

  const linkOf = (podUid: string): string => podLinkName(bridge, podUid)

  async function links(): Promise<{ link: string; podUid: string; ip: string }[]> {
    const all = await ip.list<{ ifname: string; ifalias?: string }>('link', 'show', 'master', bridge)
    return all.map(podOfLink).filter((one) => one !== undefined)
  }

  async function setUpBridge(): Promise<void> {
    await ip.attempt('link', 'add', bridge, 'type', 'bridge')
    if (gateway6 !== undefined) await ip.sysctl(`net/ipv6/conf/${bridge}/disable_ipv6`, '0')
    await ip.batch([
      // A bridge without an address of its own takes that of its newest port, and peers' ARP entries go stale.
      `link set ${bridge} address ${tunnelMac(first).replace(/^0a/, '0e')} mtu ${mtu} up`,
      `addr replace ${pool.gateway}/${prefixLength} dev ${bridge}`,
      // Without nodad it would wait for its first port.
      ...(gateway6 === undefined ? [] : [`addr replace ${gateway6}/${prefixLength6} dev ${bridge} nodad`]),
    ])
    await options.exec('modprobe', ['br_netfilter']).catch(() => {})
    routed = !(await ip.sysctl(bridgeFilter, '1'))
    for (const [path, value] of settings) await ip.sysctl(path, value)
    await allowForwarding(options.exec, bridge)
    if (routed) options.logger.warn({ bridge }, 'no br_netfilter: pods of this node reach each other through routing')
  }

  /** One pod's link back on the bridge, or made anew. Returns whether the pod has one. */
  async function mend(podUid: string): Promise<boolean> {
    const [address, link] = [attached.get(podUid), linkOf(podUid)]
    if (address === undefined) return false
    if (await ip.attempt('link', 'set', link, 'master', bridge, 'up')) {
      await ip.run('link', 'set', link, 'type', 'bridge_slave', 'hairpin', 'on')
      return true
    }
    const pid = await options.sandboxPid(podUid)
    // A pod that ends has no sandbox any more, and needs no link.
    if (pid === undefined) return false
    await connect(podUid, pid, address)
    return true
  }

  async function connect(podUid: string, pid: number, address: string): Promise<void> {
    const shape = { bridge, mtu, gateway: pool.gateway, prefixLength, gateway6, prefixLength6, routed }
    try {
      await ip.batches(podLinkSteps(shape, { podUid, pid, address, address6: address6Of(address) }))
    } catch (error) {
      await ip.attempt('link', 'del', linkOf(podUid))
      throw error
    }
  }

  /** Whether the sandbox already has the address: the kubelet asks again after a restart. */
  async function isConnected(pid: number, address: string): Promise<boolean> {
    const { code, stdout } = await options.exec('nsenter', [
      `--net=/proc/${pid}/ns/net`,
      'ip',
      '-j',
      'addr',
      'show',
      'dev',
      podInterface,
    ])
    return code === 0 && stdout.includes(`"${address}"`)
  }

  return {
    /** The bridge's address: the pods' gateway, where the node's DNS listens. */
    gateway: pool.gateway,

    /** Makes the bridge and learns which pods are attached. */
    async start(): Promise<void> {
      await setUpBridge()
      for (const { podUid, ip: address, link } of await links()) {
        if (attached.has(podUid)) continue
        if (pool.claim(address)) attached.set(podUid, address)
        else await ip.attempt('link', 'del', link)
      }
    },

    /** Level-triggered: the same pod keeps its address, also when its sandbox was made anew. */
    attach(input: { readonly podUid: string; readonly pid: number }): Promise<{ ip: string }> {
      return inTurn(input.podUid, async () => {
        const known = attached.get(input.podUid)
        if (known !== undefined && (await isConnected(input.pid, known))) return { ip: known }
        const address = known ?? pool.take()
        try {
          await connect(input.podUid, input.pid, address)
        } catch (error) {
          if (known === undefined) pool.release(address)
          throw error
        }
        attached.set(input.podUid, address)
        return { ip: address }
      })
    },

    /** Takes link and address back; a pod that was never attached is success. */
    detach(podUid: string): Promise<void> {
      return inTurn(podUid, async () => {
        await ip.attempt('link', 'del', linkOf(podUid))
        const address = attached.get(podUid)
        attached.delete(podUid)
        if (address !== undefined) pool.release(address)
      })
    },

    /** Compares bridge, links and settings with what they should be, and repairs. Returns what was wrong. */
    async audit(): Promise<string[]> {
      const wanted = {
        bridge,
        mtu,
        addresses: [
          `${pool.gateway}/${prefixLength}`,
          ...(gateway6 === undefined ? [] : [`${gateway6}/${prefixLength6}`]),
        ],
      }
      const before = await ip.list<LinkListing>('addr', 'show')
      const held: (readonly [string, string])[] = routed ? [...settings] : [...settings, [bridgeFilter, '1']]
      const drift = [
        ...bridgeDrift(before, wanted),
        ...settingDrift(held, await ip.readSysctls(held.map(([path]) => path))),
        ...((await isForwardingBlocked(options.exec, bridge)) ? ['forwarding of pod traffic is dropped'] : []),
      ]
      if (drift.length > 0) await setUpBridge()
      const lost = [...attached.keys()].flatMap((podUid) => {
        const what = podLinkDrift(before, linkOf(podUid), bridge)
        return what === undefined ? [] : [{ podUid, what }]
      })
      for (const { podUid, what } of lost) {
        // Attached since the links were listed?
        const now = await ip.list<LinkListing>('addr', 'show')
        if (!attached.has(podUid) || podLinkDrift(now, linkOf(podUid), bridge) === undefined) continue
        if (await inTurn(podUid, () => mend(podUid))) drift.push(what)
      }
      return drift
    },

    async list(): Promise<readonly Attachment[]> {
      return [...attached].map(([podUid, address]) => ({ podUid, ip: address }))
    },

    /** Removes the bridge, every pod's link, and what was let through the firewall. */
    async remove(): Promise<void> {
      for (const { link } of await links()) await ip.attempt('link', 'del', link)
      await ip.attempt('link', 'del', bridge)
      await withdrawForwarding(options.exec, bridge)
      for (const address of attached.values()) pool.release(address)
      attached.clear()
    },
  }
}

/** What the kernel is told of the bridge, below /proc/sys. */
const settingsFor = (bridge: string, isDualStack: boolean): (readonly [path: string, value: string])[] => [
  ['net/ipv4/ip_forward', '1'],
  [`net/ipv4/conf/${bridge}/send_redirects`, '0'],
  ['net/ipv4/conf/all/send_redirects', '0'],
  [`net/ipv4/conf/${bridge}/rp_filter`, '0'],
  // Answers of host ports that were asked for at 127.0.0.1; the service rules keep the pods from using it.
  [`net/ipv4/conf/${bridge}/route_localnet`, '1'],
  ...(isDualStack
    ? ([
        [`net/ipv6/conf/${bridge}/disable_ipv6`, '0'],
        ['net/ipv6/conf/all/forwarding', '1'],
        ['net/bridge/bridge-nf-call-ip6tables', '1'],
      ] as const)
    : []),
]

/** MTU of the interface that has the node's address; 1500 when it has none yet. */
export async function linkMtu(exec: Exec, nodeIp: string): Promise<number> {
  const all = await createIpCommand(exec).list<{ mtu: number; addr_info?: { local?: string }[] }>('addr', 'show')
  return all.find((link) => link.addr_info?.some((one) => one.local === nodeIp))?.mtu ?? 1500
}

/** The address that the bridge of a pod range has. */
export function gatewayOf(podCidr: string): string {
  const range = parseCidr(podCidr)
  if (!range) throw new Error(`the node's pod range ${JSON.stringify(podCidr)} is none`)
  return formatIpv4(range.first + 1)
}
