import { containsAddress, formatIpv4, parseIpv4, sizeOf, type Ipv4Range } from '../ipv4.ts'

/** The addresses of one node's pods. Which are taken is known from the links that exist, so nothing is stored. */
export interface AddressPool {
  /** The bridge's own address: the first of the range, the pods' gateway. */
  readonly gateway: string
  /** A free address, the one that was free the longest first. Throws when none is left. */
  take(): string
  /** Marks an address as taken; false when it is outside the range or taken already. */
  claim(address: string): boolean
  release(address: string): void
  readonly free: number
}

/**
 * Gives out addresses round and round, so that a released one rests before it is given to another pod: peers may still
 * have connections to it. Network, gateway and broadcast addresses are never given.
 */
export function createAddressPool(range: Ipv4Range): AddressPool {
  const firstUsable = range.first + 2
  const usable = sizeOf(range) - 3
  const taken = new Set<number>()
  let next = 0

  const owns = (address: number): boolean =>
    containsAddress(range, address) && address >= firstUsable && address < firstUsable + usable

  return {
    gateway: formatIpv4(range.first + 1),
    take() {
      for (let step = 0; step < usable; step++) {
        const address = firstUsable + ((next + step) % usable)
        if (taken.has(address)) continue
        taken.add(address)
        next = (address - firstUsable + 1) % usable
        return formatIpv4(address)
      }
      throw new Error(`no free pod address: all ${Math.max(usable, 0)} of the node are taken`)
    },
    claim(text) {
      const address = parseIpv4(text)
      if (address === undefined || !owns(address) || taken.has(address)) return false
      taken.add(address)
      return true
    },
    release(text) {
      const address = parseIpv4(text)
      if (address !== undefined) taken.delete(address)
    },
    get free() {
      return Math.max(usable, 0) - taken.size
    },
  }
}
