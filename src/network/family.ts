import { isIP } from 'node:net'

/** What differs between the rules for IPv4 and those for IPv6. */
export interface Family {
  /** nft's name of the family, of its tables and of its header's fields. */
  readonly name: 'ip' | 'ip6'
  /** nft's type of an address. */
  readonly addressType: 'ipv4_addr' | 'ipv6_addr'
  /** nft's expression for the transport protocol. */
  readonly protocol: 'ip protocol' | 'meta l4proto'
  /** As EndpointSlices and Services say it. */
  readonly apiName: 'IPv4' | 'IPv6'
  readonly addressBits: 32 | 128
  readonly loopback: string
  readonly multicast: string
  /** The loopback address at which host ports answer; the kernel allows it for IPv4 only. */
  readonly hostPortLoopback?: string
}

export const ipv4: Family = {
  name: 'ip',
  addressType: 'ipv4_addr',
  protocol: 'ip protocol',
  apiName: 'IPv4',
  addressBits: 32,
  loopback: '127.0.0.0/8',
  multicast: '224.0.0.0/4',
  hostPortLoopback: '127.0.0.1',
}

export const ipv6: Family = {
  name: 'ip6',
  addressType: 'ipv6_addr',
  protocol: 'meta l4proto',
  apiName: 'IPv6',
  addressBits: 128,
  loopback: '::1/128',
  multicast: 'ff00::/8',
}

/** The addresses that are of the family, in the one form in which the kernel's tools print them. */
export function addressesOf(texts: readonly string[], family: Family): string[] {
  if (family.addressBits === 32) return texts.filter((text) => isIP(text) === 4)
  return texts.flatMap((text) => {
    const address = parseAddress(text, family)
    return address === undefined ? [] : [formatAddress(address, family)]
  })
}

export const isOfFamily = (text: string, family: Family): boolean => parseAddress(text, family) !== undefined

/** The family's ranges among the texts, canonical, without those that lie in others: a set may not hold both. */
export function rangesOf(texts: readonly string[], family: Family): string[] {
  const found = texts.map((text) => parseRange(text, family)).filter((one) => one !== undefined)
  const kept: Range[] = []
  for (const range of found.toSorted((a, b) => a.length - b.length))
    if (!kept.some((wider) => contains(wider, range.first, family))) kept.push(range)
  return kept.map(({ first, length }) => `${formatAddress(first, family)}/${length}`)
}

/** Whether the address lies in the range; false when one of them is of the other family. */
export function inRange(address: string, range: string, family: Family): boolean {
  const [number, parsed] = [parseAddress(address, family), parseRange(range, family)]
  return number !== undefined && parsed !== undefined && contains(parsed, number, family)
}

interface Range {
  readonly first: bigint
  readonly length: number
}

const contains = ({ first, length }: Range, address: bigint, { addressBits }: Family): boolean =>
  address >> BigInt(addressBits - length) === first >> BigInt(addressBits - length)

function parseRange(text: string, family: Family): Range | undefined {
  const [address = '', length = String(family.addressBits), ...rest] = text.trim().split('/')
  const number = parseAddress(address, family)
  if (number === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const hostBits = family.addressBits - Number(length)
  return hostBits < 0 ? undefined : { first: (number >> BigInt(hostBits)) << BigInt(hostBits), length: Number(length) }
}

function parseAddress(text: string, { addressBits }: Family): bigint | undefined {
  if (addressBits === 32) {
    if (isIP(text) !== 4) return undefined
    return text.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n)
  }
  if (isIP(text) !== 6 || text.includes('%')) return undefined
  // A URL's host is canonical: groups of hex digits, without an IPv4 tail.
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const groupsOf = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const [left, right] = [groupsOf(head), groupsOf(tail)]
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n)
}

function formatAddress(address: bigint, { addressBits }: Family): string {
  if (addressBits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => (address >> BigInt(16 * (7 - index))) & 0xffffn)
  // RFC 5952: the URL's serializer shortens as it says.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1)
}
