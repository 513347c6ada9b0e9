/** Addresses that may be given to LoadBalancer Services. */
export interface AddressPool {
  has(address: string): boolean
  /** The lowest one for which `fits` is true. */
  first(fits: (address: string) => boolean): string | undefined
}

interface Range {
  readonly first: number
  readonly last: number
}

/** The most addresses that a pool is searched for: what is beyond is not given away. */
const maxSearched = 65_536

/** Reads `A-B`, `A/LENGTH` and `A`, separated by commas or spaces. What cannot be read is left out and named. */
export function parseAddressPool(text: string): { pool: AddressPool; problem?: string } {
  const ranges: Range[] = []
  const wrong: string[] = []
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const range = parseRange(word)
    if (range) ranges.push(range)
    else wrong.push(word)
  }
  ranges.sort((a, b) => a.first - b.first)
  const pool: AddressPool = {
    has(address) {
      const number = parseAddress(address)
      return number !== undefined && ranges.some(({ first, last }) => number >= first && number <= last)
    },
    first(fits) {
      let searched = 0
      for (const { first, last } of ranges) {
        for (let number = first; number <= last && searched < maxSearched; number++, searched++) {
          if (fits(formatAddress(number))) return formatAddress(number)
        }
      }
      return undefined
    },
  }
  return wrong.length > 0
    ? { pool, problem: `the pool has no addresses in ${JSON.stringify(wrong.join(', '))}` }
    : { pool }
}

function parseRange(word: string): Range | undefined {
  const [from = '', to] = word.split('-')
  if (to !== undefined) {
    const [first, last] = [parseAddress(from), parseAddress(to)]
    return first !== undefined && last !== undefined && first <= last ? { first, last } : undefined
  }
  const [address = '', length = '32'] = word.split('/')
  const number = parseAddress(address)
  const bits = Number(length)
  if (number === undefined || !/^\d+$/.test(length) || bits > 32) return undefined
  const size = 2 ** (32 - bits)
  const first = Math.floor(number / size) * size
  // The first and the last address of a network are nobody's.
  return bits >= 31 ? { first, last: first + size - 1 } : { first: first + 1, last: first + size - 2 }
}

function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

const formatAddress = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
