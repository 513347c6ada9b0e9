import { BlockList, isIP, SocketAddress } from 'node:net'
import type { Environment } from '@marcbachmann/cel-js'

/** An address in its canonical text. */
class CelIp {
  readonly text: string
  readonly family: 4 | 6
  constructor(text: string, family: 4 | 6) {
    this.text = text
    this.family = family
  }
}
class CelCidr {
  readonly ip: CelIp
  readonly prefix: number
  constructor(ip: CelIp, prefix: number) {
    this.ip = ip
    this.prefix = prefix
  }
}
/** Stands behind `ip.` in expressions. */
class IpFunctions {
  readonly name = 'ip'
}
class CelUrl {
  readonly url: URL
  readonly path: boolean
  constructor(url: URL, path: boolean) {
    this.url = url
    this.path = path
  }
}

const familyName = (family: 4 | 6): 'ipv4' | 'ipv6' => (family === 4 ? 'ipv4' : 'ipv6')

/** Kubernetes takes no zones and no IPv4-mapped IPv6 addresses (k8s.io/apiserver/pkg/cel/library/ip.go). */
function parseIp(text: string): CelIp {
  const family = isIP(text)
  if (family === 0) throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`)
  if (text.includes('%')) throw new Error(`IP address ${JSON.stringify(text)} with zone value is not allowed`)
  const known = family === 6 ? 6 : 4
  const canonical = new SocketAddress({ address: text, family: familyName(known) }).address
  if (canonical.startsWith('::ffff:'))
    throw new Error(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`)
  return new CelIp(canonical, known)
}

function parseCidr(text: string): CelCidr {
  const [address = '', length = '', ...rest] = text.split('/')
  const ip = parseIp(address)
  const prefix = Number(length)
  if (rest.length || !/^(0|[1-9]\d{0,2})$/.test(length) || prefix > (ip.family === 4 ? 32 : 128)) {
    throw new Error(`CIDR ${JSON.stringify(text)} parse error during conversion from string`)
  }
  return new CelCidr(ip, prefix)
}

function within(ip: CelIp, cidr: CelCidr): boolean {
  if (ip.family !== cidr.ip.family) return false
  const list = new BlockList()
  list.addSubnet(cidr.ip.text, cidr.prefix, familyName(cidr.ip.family))
  return list.check(ip.text, familyName(ip.family))
}

const anyOf =
  (...cidrs: string[]) =>
  (ip: CelIp): boolean =>
    cidrs.some((cidr) => within(ip, parseCidr(cidr)))

const isUnspecified = anyOf('0.0.0.0/32', '::/128')
const isLoopback = anyOf('127.0.0.0/8', '::1/128')
const isLinkLocalUnicast = anyOf('169.254.0.0/16', 'fe80::/10')
const isLinkLocalMulticast = anyOf('224.0.0.0/24', 'ff02::/16')
const isMulticast = anyOf('224.0.0.0/4', 'ff00::/8')
const isBroadcast = anyOf('255.255.255.255/32')
const isGlobalUnicast = (ip: CelIp): boolean =>
  ![isUnspecified, isLoopback, isLinkLocalUnicast, isMulticast, isBroadcast].some((test) => test(ip))

/** The address with all bits behind the prefix cleared. */
function masked(cidr: CelCidr): CelCidr {
  const bytes = cidr.ip.family === 4 ? cidr.ip.text.split('.').map(Number) : ipv6Bytes(cidr.ip.text)
  const kept = bytes.map(
    (byte, index) => byte & (0xff << Math.max(0, Math.min(8, 8 - (cidr.prefix - index * 8)))) & 0xff,
  )
  const text =
    cidr.ip.family === 4
      ? kept.join('.')
      : Array.from({ length: 8 }, (_, index) => ((kept[index * 2]! << 8) | kept[index * 2 + 1]!).toString(16)).join(':')
  return new CelCidr(parseIp(text), cidr.prefix)
}

function ipv6Bytes(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const words = (part: string | undefined): number[] =>
    part ? part.split(':').map((word) => Number.parseInt(word, 16)) : []
  const front = words(head)
  const back = words(tail)
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0)
  return [...front, ...zeros, ...back].flatMap((word) => [word >> 8, word & 0xff])
}

/** Absolute URL, or absolute path, as Go's url.ParseRequestURI takes them. */
function parseUrl(text: string): CelUrl {
  const isPath = text.startsWith('/')
  if (!isPath && !/^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(text)) {
    throw new Error(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    )
  }
  try {
    return new CelUrl(new URL(text, isPath ? 'path://' : undefined), isPath)
  } catch {
    throw new Error(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    )
  }
}

function parses(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text)
      return true
    } catch {
      return false
    }
  }
}

function queryOf({ url }: CelUrl): Record<string, string[]> {
  const query: Record<string, string[]> = {}
  for (const key of url.searchParams.keys()) query[key] = url.searchParams.getAll(key)
  return query
}

/** The ip, cidr and url libraries of Kubernetes' CEL. */
export function registerNet(env: Environment): void {
  env
    .registerType('net.IP', { ctor: CelIp, fields: {} })
    .registerType('net.CIDR', { ctor: CelCidr, fields: {} })
    .registerType('kubernetes.IPFunctions', { ctor: IpFunctions, fields: {} })
    .registerConstant('ip', 'kubernetes.IPFunctions', new IpFunctions())
    .registerFunction('ip(string): net.IP', parseIp)
    .registerFunction('isIP(string): bool', parses(parseIp))
    .registerFunction(
      'kubernetes.IPFunctions.isCanonical(string): bool',
      (_: IpFunctions, text: string) => parseIp(text).text === text,
    )
    .registerOperator('net.IP == net.IP', (left: CelIp, right: CelIp) => left.text === right.text)
    .registerFunction('string(net.IP): string', ({ text }: CelIp) => text)
    .registerFunction('net.IP.family(): int', ({ family }: CelIp) => BigInt(family))
    .registerFunction('net.IP.isUnspecified(): bool', isUnspecified)
    .registerFunction('net.IP.isLoopback(): bool', isLoopback)
    .registerFunction('net.IP.isLinkLocalMulticast(): bool', isLinkLocalMulticast)
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', isLinkLocalUnicast)
    .registerFunction('net.IP.isGlobalUnicast(): bool', isGlobalUnicast)
    .registerFunction('cidr(string): net.CIDR', parseCidr)
    .registerFunction('isCIDR(string): bool', parses(parseCidr))
    .registerOperator(
      'net.CIDR == net.CIDR',
      (left: CelCidr, right: CelCidr) => left.ip.text === right.ip.text && left.prefix === right.prefix,
    )
    .registerFunction('string(net.CIDR): string', ({ ip, prefix }: CelCidr) => `${ip.text}/${prefix}`)
    .registerFunction('net.CIDR.containsIP(string): bool', (cidr: CelCidr, text: string) => within(parseIp(text), cidr))
    .registerFunction('net.CIDR.containsIP(net.IP): bool', (cidr: CelCidr, ip: CelIp) => within(ip, cidr))
    .registerFunction('net.CIDR.containsCIDR(string): bool', (cidr: CelCidr, text: string) =>
      contains(cidr, parseCidr(text)),
    )
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', contains)
    .registerFunction('net.CIDR.ip(): net.IP', ({ ip }: CelCidr) => ip)
    .registerFunction('net.CIDR.masked(): net.CIDR', masked)
    .registerFunction('net.CIDR.prefixLength(): int', ({ prefix }: CelCidr) => BigInt(prefix))
    .registerType('kubernetes.URL', { ctor: CelUrl, fields: {} })
    .registerFunction('url(string): kubernetes.URL', parseUrl)
    .registerFunction('isURL(string): bool', parses(parseUrl))
    .registerFunction('kubernetes.URL.getScheme(): string', ({ url, path }: CelUrl) =>
      path ? '' : url.protocol.slice(0, -1),
    )
    .registerFunction('kubernetes.URL.getHost(): string', ({ url }: CelUrl) => url.host)
    .registerFunction('kubernetes.URL.getHostname(): string', ({ url }: CelUrl) =>
      url.hostname.replaceAll(/^\[|\]$/g, ''),
    )
    .registerFunction('kubernetes.URL.getPort(): string', ({ url }: CelUrl) => url.port)
    .registerFunction('kubernetes.URL.getEscapedPath(): string', ({ url }: CelUrl) => url.pathname)
    .registerFunction('kubernetes.URL.getQuery(): map<string, dyn>', queryOf)
}

function contains(outer: CelCidr, inner: CelCidr): boolean {
  return inner.prefix >= outer.prefix && within(inner.ip, outer)
}
