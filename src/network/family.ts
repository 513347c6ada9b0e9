import { isIP } from 'node:net'
import { formatAddress, formatRange, inRange as contains, parseAddress, parseRange } from '../lib/ip-address.ts'
import type { AddressRange } from '../lib/ip-address.ts'

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
export function addressesOf(texts: readonly string[], { addressBits }: Family): string[] {
  if (addressBits === 32) return texts.filter((text) => isIP(text) === 4)
  return texts.flatMap((text) => {
    const address = parseAddress(text, addressBits)
    return address === undefined ? [] : [formatAddress(address, addressBits)]
  })
}

export const isOfFamily = (text: string, { addressBits }: Family): boolean =>
  parseAddress(text, addressBits) !== undefined

/** The family's ranges among the texts, canonical, without those that lie in others: a set may not hold both. */
export function rangesOf(texts: readonly string[], { addressBits }: Family): string[] {
  const found = texts.map((text) => parseRange(text, addressBits)).filter((one) => one !== undefined)
  const kept: AddressRange[] = []
  for (const range of found.toSorted((a, b) => a.length - b.length))
    if (!kept.some((wider) => contains(wider, range.first))) kept.push(range)
  return kept.map(formatRange)
}

/** Whether the address lies in the range; false when one of them is of the other family. */
export function inRange(address: string, range: string, { addressBits }: Family): boolean {
  const [number, parsed] = [parseAddress(address, addressBits), parseRange(range, addressBits)]
  return number !== undefined && parsed !== undefined && contains(parsed, number)
}
