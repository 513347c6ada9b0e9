/** An IPv4 range, as numbers: `first` is its network address. */
export interface Ipv4Range {
  readonly first: number
  readonly prefixLength: number
}

/** The address as an unsigned number; undefined for anything but four decimal bytes. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  let value = 0
  for (const part of match.slice(1)) {
    const byte = Number(part)
    if (byte > 255) return undefined
    value = value * 256 + byte
  }
  return value
}

export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

/** `a.b.c.d/len` with the host bits cleared; undefined when it is no such text. */
export function parseCidr(text: string): Ipv4Range | undefined {
  const [addressText = '', lengthText = ''] = text.split('/')
  const address = parseIpv4(addressText)
  if (address === undefined || !/^\d{1,2}$/.test(lengthText)) return undefined
  const prefixLength = Number(lengthText)
  if (prefixLength > 32) return undefined
  return { first: (address & maskOf(prefixLength)) >>> 0, prefixLength }
}

/** Number of addresses in the range. */
export const sizeOf = ({ prefixLength }: Ipv4Range): number => 2 ** (32 - prefixLength)

export const containsAddress = (range: Ipv4Range, address: number): boolean =>
  (address & maskOf(range.prefixLength)) >>> 0 === range.first

const maskOf = (prefixLength: number): number => (prefixLength === 0 ? 0 : -1 << (32 - prefixLength))
