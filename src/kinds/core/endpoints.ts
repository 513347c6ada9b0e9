import type { Endpoints, EndpointSlice } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { ipFamily, ipMessage } from '../meta/addresses.ts'
import { dns1123Label, dns1123Subdomain, portNumber } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const shownAtMost = 3

function shorten(all: readonly string[], none: string): string {
  if (all.length === 0) return none
  const shown = all.slice(0, shownAtMost).join(',')
  return all.length > shownAtMost ? `${shown} + ${all.length - shownAtMost} more...` : shown
}

function endpointsOf({ subsets }: Endpoints): string {
  const all = (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  )
  return shorten(all, '<none>')
}

function validateEndpoints({ subsets }: Endpoints): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, { addresses = [], notReadyAddresses = [], ports = [] }] of (subsets ?? []).entries()) {
    const at = `subsets[${index}]`
    if (addresses.length + notReadyAddresses.length === 0) {
      wrong.push(fieldErrors.required(at, 'must specify `addresses` or `notReadyAddresses`'))
    }
    for (const [field, list] of Object.entries({ addresses, notReadyAddresses })) {
      for (const [position, { ip, hostname, nodeName }] of list.entries()) {
        const path = `${at}.${field}[${position}]`
        wrong.push(...validateAddress(ip, `${path}.ip`))
        if (hostname) wrong.push(...invalidEach(`${path}.hostname`, hostname, dns1123Label(hostname)))
        if (nodeName) wrong.push(...invalidEach(`${path}.nodeName`, nodeName, dns1123Subdomain(nodeName)))
      }
    }
    for (const [position, { name, port, protocol }] of ports.entries()) {
      const path = `${at}.ports[${position}]`
      if (!name && ports.length > 1) wrong.push(fieldErrors.required(`${path}.name`))
      else if (name) wrong.push(...invalidEach(`${path}.name`, name, dns1123Label(name)))
      wrong.push(
        ...invalidEach(`${path}.port`, port ?? 0, portNumber(port ?? 0)),
        ...oneOf(`${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']),
      )
    }
  }
  return wrong
}

/** An address that traffic may be sent to: none of the machine itself, of the link or of a group. */
function validateAddress(ip: string, path: string): FieldError[] {
  if (ipFamily(ip) === 0) return [fieldErrors.invalid(path, ip ?? '', ipMessage)]
  if (ip === '0.0.0.0' || ip === '::') return [fieldErrors.invalid(path, ip, `may not be unspecified (${ip})`)]
  if (ip.startsWith('127.') || ip === '::1') {
    return [fieldErrors.invalid(path, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')]
  }
  if (ip.startsWith('169.254.') || /^fe[89ab]/i.test(ip)) {
    return [fieldErrors.invalid(path, ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)')]
  }
  if (/^(22[4-9]|23\d)\./.test(ip) || /^ff/i.test(ip)) {
    return [fieldErrors.invalid(path, ip, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')]
  }
  return []
}

export const endpointsTraits = traits<Endpoints>({
  group: '',
  resource: 'endpoints',
  shortNames: ['ep'],
  columns: [nameColumn, column<Endpoints>('Endpoints', endpointsOf), ageColumn],
  strategy: {
    applyDefaults({ subsets }) {
      for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ||= 'TCP'
    },
    validate: validateEndpoints,
    warnings: () => ['v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  },
})

const maxEndpoints = 1000
const maxPorts = 20_000
const maxAddresses = 100

function validateSlice({ addressType, endpoints = [], ports }: EndpointSlice): FieldError[] {
  const wrong = oneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6'])
  if ((endpoints ?? []).length > maxEndpoints)
    wrong.push(fieldErrors.tooMany('endpoints', endpoints.length, maxEndpoints))
  for (const [index, { addresses, hostname, nodeName }] of (endpoints ?? []).entries()) {
    const at = `endpoints[${index}]`
    if (!addresses?.length) wrong.push(fieldErrors.required(`${at}.addresses`, 'must contain at least 1 address'))
    else if (addresses.length > maxAddresses)
      wrong.push(fieldErrors.tooMany(`${at}.addresses`, addresses.length, maxAddresses))
    for (const [position, address] of (addresses ?? []).entries()) {
      const path = `${at}.addresses[${position}]`
      if (addressType === 'FQDN') wrong.push(...invalidEach(path, address, dns1123Subdomain(address)))
      else if (ipFamily(address) !== (addressType === 'IPv6' ? 6 : 4)) {
        wrong.push(fieldErrors.invalid(path, address, `must be an ${addressType} address`))
      } else wrong.push(...validateAddress(address, path))
    }
    if (hostname) wrong.push(...invalidEach(`${at}.hostname`, hostname, dns1123Label(hostname)))
    if (nodeName) wrong.push(...invalidEach(`${at}.nodeName`, nodeName, dns1123Subdomain(nodeName)))
  }
  if ((ports?.length ?? 0) > maxPorts) wrong.push(fieldErrors.tooMany('ports', ports?.length ?? 0, maxPorts))
  const names = new Set<string>()
  for (const [index, { name = '', port, protocol }] of (ports ?? []).entries()) {
    const at = `ports[${index}]`
    if (name) wrong.push(...invalidEach(`${at}.name`, name, dns1123Label(name)))
    if (names.has(name)) wrong.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    if (port !== undefined) wrong.push(...invalidEach(`${at}.port`, port, portNumber(port)))
    wrong.push(...oneOf(`${at}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']))
  }
  return wrong
}

export const endpointSliceTraits = traits<EndpointSlice>({
  group: 'discovery.k8s.io',
  resource: 'endpointslices',
  hasGeneration: true,
  columns: [
    nameColumn,
    column<EndpointSlice>('AddressType', ({ addressType }) => addressType),
    column<EndpointSlice>('Ports', ({ ports }) =>
      shorten(
        (ports ?? []).map(({ port, name }) => (port === undefined ? name || '*' : String(port))),
        '<unset>',
      ),
    ),
    column<EndpointSlice>('Endpoints', ({ endpoints }) =>
      shorten(
        (endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
        '<unset>',
      ),
    ),
    ageColumn,
  ],
  strategy: {
    applyDefaults({ ports }) {
      for (const port of ports ?? []) {
        port.name ??= ''
        port.protocol ||= 'TCP'
      }
    },
    validate: validateSlice,
    validateUpdate: (slice, old) => immutable('addressType', slice.addressType, old.addressType),
  },
})
