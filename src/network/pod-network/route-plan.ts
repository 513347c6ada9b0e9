import { linkTrustAnnotation, publicKeyAnnotation } from '../../api/encrypted-link.ts'
import type { Node } from '../../api/kinds.ts'
import { ipv6, rangesOf } from '../family.ts'
import { formatIpv4, parseCidr, parseIpv4 } from '../ipv4.ts'

/** How packets to another node's pods travel: routed by the link, in a VXLAN tunnel (RFC 7348), or encrypted. */
export type Backend = 'host-gw' | 'vxlan' | 'wireguard'

/** Another node of the cluster, as far as routing is concerned. */
export interface PeerNode {
  readonly name: string
  readonly podCidr: string
  /** Its range of IPv6, if its pods have such addresses. */
  readonly podCidr6?: string
  readonly ip: string
  /** By which it takes encrypted packets; absent when it cannot. */
  readonly publicKey?: string
  /** Its link is not to be trusted: nothing passes it in the clear. */
  readonly isUntrusted?: boolean
}

/** Whom the encrypted tunnel carries packets to, and from. */
export type EncryptedPeer = Pick<PeerNode, 'ip' | 'podCidr' | 'podCidr6'>

/** Everything that leads to other nodes' pods, as text that `ip` and `bridge` take. Equal plans are equal objects. */
export interface RoutePlan {
  /** destination → the rest of `ip route replace`. */
  readonly routes: ReadonlyMap<string, string>
  /** tunnel neighbour → its link-layer address. */
  readonly neighbours: ReadonlyMap<string, string>
  /** link-layer address → the node to which the tunnel carries it. */
  readonly forwarding: ReadonlyMap<string, string>
  /** public key → the node behind it. */
  readonly encrypted: ReadonlyMap<string, EncryptedPeer>
  /** Nodes that may only be reached encrypted, and cannot be: they get no route. */
  readonly withheld: readonly string[]
}

/** IPv4 InternalIP and pod range of the other nodes; those that have not got both yet are left out. */
export function peerNodes(nodes: readonly Node[], self: string): PeerNode[] {
  return nodes.flatMap((node) => {
    const ip = node.status?.addresses?.find(
      (one) => one.type === 'InternalIP' && parseIpv4(one.address) !== undefined,
    )?.address
    const ranges = [node.spec?.podCIDR ?? '', ...(node.spec?.podCIDRs ?? [])]
    const podCidr = ranges.find((one) => parseCidr(one))
    const podCidr6 = rangesOf(ranges, ipv6)[0]
    const name = node.metadata.name ?? ''
    if (name === self || ip === undefined || podCidr === undefined) return []
    const { annotations } = node.metadata
    const publicKey = annotations?.[publicKeyAnnotation]
    return [
      {
        name,
        ip,
        podCidr,
        ...(podCidr6 === undefined ? {} : { podCidr6 }),
        ...(isPublicKey(publicKey) ? { publicKey } : {}),
        ...(annotations?.[linkTrustAnnotation] === 'untrusted' ? { isUntrusted: true } : {}),
      },
    ]
  })
}

/** 32 bytes in base64. It goes into a file that a program reads by lines. */
const isPublicKey = (text: string | undefined): text is string => /^[A-Za-z0-9+/]{43}=$/.test(text ?? '')

/** The way between two nodes: encrypted when either link is not trusted, else as told or as the link allows. */
export function backendFor(
  peer: PeerNode,
  how: { backend: Backend | 'auto'; isUntrusted: boolean; isOnLink: boolean },
): Backend {
  if (how.isUntrusted || peer.isUntrusted) return 'wireguard'
  if (how.backend !== 'auto') return how.backend
  return how.isOnLink ? 'host-gw' : 'vxlan'
}

/**
 * Routes to the peers. `backendOf` chooses for each of them. Two nodes that claim one range (one of them is old) are
 * decided by name, the same way everywhere.
 */
export function planRoutes(
  peers: readonly PeerNode[],
  options: {
    backendOf(peer: PeerNode): Backend
    tunnelDevice: string
    tunnelMtu: number
    /** Undefined on a node that cannot encrypt. */
    encryption?: { device: string; mtu: number }
    /** The link of the node's own address, when this node's pods have IPv6 addresses too. */
    uplink6?: string
  },
): RoutePlan {
  const routes = new Map<string, string>()
  const neighbours = new Map<string, string>()
  const forwarding = new Map<string, string>()
  const encrypted = new Map<string, EncryptedPeer>()
  const withheld: string[] = []
  for (const peer of peers.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (routes.has(peer.podCidr)) continue
    const backend = options.backendOf(peer)
    const podCidr6 = options.uplink6 === undefined ? undefined : peer.podCidr6
    if (backend === 'host-gw') {
      routes.set(peer.podCidr, `via ${peer.ip}`)
      if (podCidr6) routes.set(podCidr6, `via ${linkLocalAddress(peer.ip)} dev ${options.uplink6}`)
      continue
    }
    if (backend === 'wireguard') {
      const { encryption } = options
      if (!encryption || peer.publicKey === undefined) withheld.push(peer.name)
      else {
        routes.set(peer.podCidr, `dev ${encryption.device} mtu ${encryption.mtu}`)
        if (podCidr6) routes.set(podCidr6, `dev ${encryption.device} mtu ${encryption.mtu}`)
        const { ip, podCidr } = peer
        encrypted.set(peer.publicKey, { ip, podCidr, ...(podCidr6 ? { podCidr6 } : {}) })
      }
      continue
    }
    const range = parseCidr(peer.podCidr)
    if (!range) continue
    // The first address of a node's range stands for its end of the tunnel.
    const tunnelEnd = formatIpv4(range.first)
    const mac = tunnelMac(range.first)
    routes.set(peer.podCidr, `via ${tunnelEnd} dev ${options.tunnelDevice} onlink mtu ${options.tunnelMtu}`)
    neighbours.set(tunnelEnd, mac)
    if (podCidr6) {
      const tunnelEnd6 = linkLocalAddress(tunnelEnd)
      routes.set(podCidr6, `via ${tunnelEnd6} dev ${options.tunnelDevice} mtu ${options.tunnelMtu}`)
      neighbours.set(tunnelEnd6, mac)
    }
    forwarding.set(mac, peer.ip)
  }
  return { routes, neighbours, forwarding, encrypted, withheld }
}

/** Link-layer address made from an IPv4 address: every node computes its peers' without asking. */
export function tunnelMac(address: number): string {
  const bytes = [0x0a, 0x58, ...[24, 16, 8, 0].map((shift) => (address >>> shift) & 255)]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/**
 * The link-local IPv6 address that follows from an IPv4 address, in the form of RFC 5214: by it a node is the next hop of
 * its neighbours' IPv6 routes without an IPv6 address of its own.
 */
export function linkLocalAddress(ip: string): string {
  const number = parseIpv4(ip) ?? 0
  return `fe80::5efe:${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`
}
