/** An IPv4 address as a number. Throws on anything else. */
export function parseIpv4(text: string): number {
  const parts = text.split('.').map(Number)
  const valid = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255)
  if (!valid || !/^[\d.]+$/.test(text)) throw new Error(`"${text}" is not an IPv4 address`)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')

/** First address and number of addresses of a CIDR. Throws when the text is none. */
export function parseCidr(text: string): { first: number; size: number } {
  const [address = '', prefix = ''] = text.split('/')
  const bits = Number(prefix)
  if (!/^\d+$/.test(prefix) || bits > 32) throw new Error(`"${text}" is not an IPv4 CIDR`)
  const size = 2 ** (32 - bits)
  return { first: Math.floor(parseIpv4(address) / size) * size, size }
}

/** The addresses of a CIDR that may be given: the first and the last are nobody's. */
export function usableSpan(cidr: string): { first: number; last: number } {
  const { first, size } = parseCidr(cidr)
  return { first: first + 1, last: first + size - 2 }
}
