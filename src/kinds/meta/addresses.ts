/** The family of a literal IP address in text form, 0 when it is none. Leading zeros are refused, as since Go 1.17. */
export function ipFamily(text: string): 0 | 4 | 6 {
  return parseIPv4(text) !== undefined ? 4 : parseIPv6(text) !== undefined ? 6 : 0
}

export const ipMessage = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
export const cidrMessage = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

/** An address as a number, or undefined. */
export function parseIPv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

/** An address as a number, or undefined. Zones (`%eth0`) are not accepted. */
export function parseIPv6(text: string): bigint | undefined {
  if (text.length > 45 || !text.includes(':')) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] ?? '')
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : []
  if (!head || !tail) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    const embedded = index === parts.length - 1 && part.includes('.') ? parseIPv4(part) : undefined
    if (embedded !== undefined) groups.push(Math.floor(embedded / 65_536), embedded % 65_536)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

export interface Cidr {
  family: 4 | 6
  address: bigint
  bits: number
}

/** `10.0.0.0/8` or `2001:db8::/32`; undefined when it is none. Host bits may be set. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bitsText = '', ...rest] = text.split('/')
  if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bitsText)) return undefined
  const bits = Number(bitsText)
  const v4 = parseIPv4(address)
  if (v4 !== undefined) return bits <= 32 ? { family: 4, address: BigInt(v4), bits } : undefined
  const v6 = parseIPv6(address)
  return v6 !== undefined && bits <= 128 ? { family: 6, address: v6, bits } : undefined
}

/** Whether every address of `inner` is in `outer`, and `inner` is smaller. */
export function strictlyContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || inner.bits <= outer.bits) return false
  const shift = BigInt((outer.family === 4 ? 32 : 128) - outer.bits)
  return outer.address >> shift === inner.address >> shift
}
