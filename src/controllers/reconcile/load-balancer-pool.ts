import { type AddressBits, bitsOf, formatAddress, parseAddress, parseRange } from '../../lib/ip-address.ts'

/** Addresses that may be given to LoadBalancer Services. */
export interface AddressPool {
  has(address: string): boolean
  /** The lowest one of the family for which `fits` is true. */
  first(bits: AddressBits, fits: (address: string) => boolean): string | undefined
}

interface Range {
  readonly bits: AddressBits
  readonly first: bigint
  readonly last: bigint
}

/** The most addresses of a family that a pool is searched for: what is beyond is not given away. */
const maxSearched = 65_536

/** Reads `A-B`, `A/LENGTH` and `A` of both families, separated by commas or spaces. What cannot be read is left out and named. */
export function parseAddressPool(text: string): { pool: AddressPool; problem?: string } {
  const ranges: Range[] = []
  const wrong: string[] = []
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const range = readRange(word)
    if (range) ranges.push(range)
    else wrong.push(word)
  }
  ranges.sort((a, b) => (a.first < b.first ? -1 : 1))
  const pool: AddressPool = {
    has(address) {
      const bits = bitsOf(address)
      const number = parseAddress(address, bits)
      return (
        number !== undefined && ranges.some((one) => one.bits === bits && number >= one.first && number <= one.last)
      )
    },
    first(bits, fits) {
      let searched = 0
      for (const { first, last } of ranges.filter((one) => one.bits === bits)) {
        for (let number = first; number <= last && searched < maxSearched; number++, searched++) {
          const address = formatAddress(number, bits)
          if (fits(address)) return address
        }
      }
      return undefined
    },
  }
  return wrong.length > 0
    ? { pool, problem: `the pool has no addresses in ${JSON.stringify(wrong.join(', '))}` }
    : { pool }
}

function readRange(word: string): Range | undefined {
  const bits = bitsOf(word)
  const [from = '', to, ...rest] = word.split('-')
  if (to !== undefined) {
    const [first, last] = [parseAddress(from, bits), parseAddress(to, bits)]
    return rest.length === 0 && first !== undefined && last !== undefined && first <= last
      ? { bits, first, last }
      : undefined
  }
  const range = parseRange(word, bits)
  if (!range) return undefined
  const { first, length } = range
  const last = first + (1n << BigInt(bits - length)) - 1n
  // The first and the last address of an IPv4 network are nobody's; the first of an IPv6 one is any router's.
  if (bits === 32) return length >= 31 ? { bits, first, last } : { bits, first: first + 1n, last: last - 1n }
  return length >= 127 ? { bits, first, last } : { bits, first: first + 1n, last }
}
