import { isIP } from 'node:net'

/** Length of an address: IPv4 or IPv6. */
export type AddressBits = 32 | 128

/** A range of addresses of one family, as numbers. */
export interface AddressRange {
  readonly first: bigint
  readonly length: number
  readonly bits: AddressBits
}

export const bitsOf = (text: string): AddressBits => (text.includes(':') ? 128 : 32)

/** The address as a number; undefined for anything else, and for addresses with a zone. */
export function parseAddress(text: string, bits: AddressBits): bigint | undefined {
  if (bits === 32) {
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

export function formatAddress(address: bigint, bits: AddressBits): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => (address >> BigInt(16 * (7 - index))) & 0xffffn)
  // RFC 5952: the URL's serializer shortens as it says.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1)
}

/** `ADDRESS/LENGTH`, or an address as a range of one; host bits are cleared. */
export function parseRange(text: string, bits: AddressBits): AddressRange | undefined {
  const [address = '', length = String(bits), ...rest] = text.trim().split('/')
  const number = parseAddress(address, bits)
  if (number === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const hostBits = bits - Number(length)
  return hostBits < 0
    ? undefined
    : { first: (number >> BigInt(hostBits)) << BigInt(hostBits), length: Number(length), bits }
}

export const formatRange = ({ first, length, bits }: AddressRange): string => `${formatAddress(first, bits)}/${length}`

export const inRange = ({ first, length, bits }: AddressRange, address: bigint): boolean =>
  address >> BigInt(bits - length) === first >> BigInt(bits - length)

/**
 * The address that has the same place in `to` as `address` has in `from`; undefined when it is outside of `from`, or `to` has
 * no such place. By it one decision gives addresses of both families.
 */
export function sameOffset(address: string, from: string, to: string): string | undefined {
  const [source, target] = [parseRange(from, bitsOf(from)), parseRange(to, bitsOf(to))]
  const number = source && parseAddress(address, source.bits)
  if (!source || !target || number === undefined || !inRange(source, number)) return undefined
  const place = target.first + (number - source.first)
  return inRange(target, place) ? formatAddress(place, target.bits) : undefined
}

/** The n-th part of `to`, of `length` bits, for a range that is the n-th part of `from`. */
export function sameSubrange(part: string, from: string, to: string, length: number): string | undefined {
  const [own, source, target] = [part, from, to].map((text) => parseRange(text, bitsOf(text)))
  if (!own || !source || !target || !inRange(source, own.first)) return undefined
  const index = (own.first - source.first) >> BigInt(own.bits - own.length)
  const first = target.first + (index << BigInt(target.bits - length))
  return inRange(target, first) ? formatRange({ first, length, bits: target.bits }) : undefined
}
