import type { ServiceCIDR } from '../../api/kinds.ts'
import { type AddressRange, bitsOf, inRange, parseAddress, parseRange } from '../../lib/ip-address.ts'

/** The ranges of a ServiceCIDR; what is none is left out. */
export const rangesOf = ({ spec }: ServiceCIDR): AddressRange[] =>
  (spec?.cidrs ?? []).map((text) => parseRange(text, bitsOf(text))).filter((one) => one !== undefined)

/** Whether the address is of the range's family and lies in it. */
export function rangeHas(range: AddressRange, address: string): boolean {
  const number = bitsOf(address) === range.bits ? parseAddress(address, range.bits) : undefined
  return number !== undefined && inRange(range, number)
}
