import type { HostAlias, PodSpec } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { ipFamily, ipMessage } from '../../meta/addresses.ts'
import { dns1123Subdomain } from '../../meta/names.ts'
import { invalidEach } from '../../meta/validate.ts'

const maxNameservers = 3
const maxSearches = 32
const maxSearchLength = 2048

/** dnsConfig, alone and together with dnsPolicy. */
export function validateDns({ dnsPolicy, dnsConfig }: PodSpec, path: string): FieldError[] {
  const at = `${path}.dnsConfig`
  const wrong: FieldError[] = []
  const nameservers = dnsConfig?.nameservers ?? []
  if (dnsPolicy === 'None') {
    if (!dnsConfig) return [fieldErrors.required(at, 'must provide `dnsConfig` when `dnsPolicy` is None')]
    if (nameservers.length === 0) {
      return [
        fieldErrors.required(`${at}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
      ]
    }
  }
  if (nameservers.length > maxNameservers) {
    wrong.push(
      fieldErrors.invalid(`${at}.nameservers`, nameservers, `must not have more than ${maxNameservers} nameservers`),
    )
  }
  for (const [index, address] of nameservers.entries()) {
    if (ipFamily(address) === 0) wrong.push(fieldErrors.invalid(`${at}.nameservers[${index}]`, address, ipMessage))
  }
  const searches = dnsConfig?.searches ?? []
  if (searches.length > maxSearches) {
    wrong.push(fieldErrors.invalid(`${at}.searches`, searches, `must not have more than ${maxSearches} search paths`))
  }
  if (searches.join(' ').length > maxSearchLength) {
    wrong.push(
      fieldErrors.invalid(
        `${at}.searches`,
        searches,
        `must not have more than ${maxSearchLength} characters (including spaces) in the search list`,
      ),
    )
  }
  for (const [index, search] of searches.entries()) {
    // The root alone, a trailing dot and underscores (SRV names) are all usual in resolv.conf.
    const name = search === '.' ? 'a' : search.replace(/\.$/, '').replaceAll('_', '-').replace(/^-|-$/g, 'a')
    wrong.push(...invalidEach(`${at}.searches[${index}]`, search, dns1123Subdomain(name)))
  }
  for (const [index, option] of (dnsConfig?.options ?? []).entries()) {
    if (!option.name) wrong.push(fieldErrors.required(`${at}.options[${index}]`, 'must not be empty'))
  }
  return wrong
}

export function validateHostAliases(aliases: readonly HostAlias[] | undefined, path: string): FieldError[] {
  return (aliases ?? []).flatMap(({ ip, hostnames }, index) => [
    ...(ipFamily(ip) === 0 ? [fieldErrors.invalid(`${path}[${index}].ip`, ip ?? '', ipMessage)] : []),
    ...(hostnames ?? []).flatMap((name, at) =>
      invalidEach(`${path}[${index}].hostnames[${at}]`, name, dns1123Subdomain(name)),
    ),
  ])
}
