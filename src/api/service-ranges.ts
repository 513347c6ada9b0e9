import { type AddressRange, bitsOf, inRange, parseAddress, parseRange } from '../lib/ip-address.ts'
import type { Node, ServiceCIDR } from './kinds.ts'

const overlap = (a: AddressRange, b: AddressRange): boolean =>
  a.bits === b.bits && (inRange(a, b.first) || inRange(b, a.first))

/**
 * What keeps a range from being one of cluster IPs: addresses in it that are a machine's, or a machine's pods'. Rules for
 * it would take these out of the network, and the API with them. Undefined: nothing does.
 */
export function rangeClash(cidr: string, nodes: readonly Node[]): string | undefined {
  const range = parseRange(cidr, bitsOf(cidr))
  if (!range) return undefined
  for (const { metadata, spec, status } of nodes) {
    const own = status?.addresses?.find(({ address }) => {
      const number = bitsOf(address) === range.bits ? parseAddress(address, range.bits) : undefined
      return number !== undefined && inRange(range, number)
    })
    if (own) return `${cidr} holds ${own.address}, an address of node ${metadata.name}`
    const pods = spec?.podCIDRs?.find((one) => {
      const parsed = parseRange(one, bitsOf(one))
      return parsed !== undefined && overlap(range, parsed)
    })
    if (pods !== undefined) return `${cidr} overlaps ${pods}, the pods of node ${metadata.name}`
  }
  return undefined
}

/** Ranges of cluster IPs, without those that would take addresses of machines or pods away. */
export const serviceRanges = (cidrs: readonly ServiceCIDR[], nodes: readonly Node[]): string[] =>
  cidrs.flatMap(({ spec }) => spec?.cidrs ?? []).filter((cidr) => rangeClash(cidr, nodes) === undefined)
