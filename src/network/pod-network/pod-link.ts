import { createHash } from 'node:crypto'
import type { IpStep } from './ip-command.ts'

const prefix = 'pod'
/** A pod's end of its link. */
export const podInterface = 'eth0'

/** What the links of all pods of a node have in common. */
export interface PodLinkShape {
  readonly bridge: string
  readonly mtu: number
  readonly gateway: string
  /** Of the node's pod range. */
  readonly prefixLength: number
  readonly gateway6?: string | undefined
  readonly prefixLength6?: number | undefined
  /** Pods of this node reach each other by the node's routing, not by the bridge. */
  readonly routed: boolean
}

/** The name of a pod's link on the node; a bridge's name goes into it, for agents may share a network namespace. */
export const podLinkName = (bridge: string, podUid: string): string =>
  `${prefix}${createHash('sha256').update(`${bridge}/${podUid}`).digest('hex').slice(0, 12)}`

const aliasOf = (podUid: string, address: string): string => `${podUid}/${address}`

/** Which pod a link is of, and with which address; undefined: it is no pod's. */
export function podOfLink({ ifname, ifalias }: { ifname: string; ifalias?: string }) {
  const [podUid = '', ip = ''] = ifalias?.split('/') ?? []
  return ifname.startsWith(prefix) && podUid !== '' && ip !== '' ? { link: ifname, podUid, ip } : undefined
}

/** The commands that make a pod's link anew: a veth pair from the bridge into the namespace of `pid`. */
export function podLinkSteps(
  { bridge, mtu, gateway, prefixLength, gateway6, prefixLength6, routed }: PodLinkShape,
  pod: { podUid: string; pid: number; address: string; address6: string | undefined },
): IpStep[] {
  const { podUid, pid, address, address6 } = pod
  const link = podLinkName(bridge, podUid)
  return [
    { lines: [`link del ${link}`], mayFail: true },
    {
      lines: [
        `link add ${link} mtu ${mtu} type veth peer name ${podInterface} mtu ${mtu} netns ${pid}`,
        `link set ${link} alias ${aliasOf(podUid, address)}`,
        `link set ${link} master ${bridge} up`,
        `link set ${link} type bridge_slave hairpin on`,
      ],
    },
    {
      pid,
      // Container runtimes turn IPv6 off where they give no address of it.
      sysctls: address6 === undefined ? [] : [['net/ipv6/conf/all/disable_ipv6', '0']],
      lines: [
        'link set lo up',
        `addr add ${address}/${routed ? 32 : prefixLength} dev ${podInterface}`,
        `link set ${podInterface} up`,
        ...(routed ? [`route add ${gateway} dev ${podInterface} scope link`] : []),
        `route add default via ${gateway} dev ${podInterface}`,
        ...(address6 === undefined
          ? []
          : [
              `addr add ${address6}/${routed ? 128 : prefixLength6} dev ${podInterface} nodad`,
              ...(routed ? [`route add ${gateway6} dev ${podInterface}`] : []),
              `route add default via ${gateway6} dev ${podInterface}`,
            ]),
      ],
    },
  ]
}
