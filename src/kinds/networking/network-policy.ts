import type {
  IPAddress,
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  ServiceCIDR,
} from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { formatLabelSelector } from '../../lib/selector.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { cidrMessage, ipFamily, ipMessage, parseCidr, strictlyContains } from '../meta/addresses.ts'
import { portName, portNumber } from '../meta/names.ts'
import { immutable, invalidEach, oneOf, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'

function validatePolicy({ spec = {} }: NetworkPolicy): FieldError[] {
  const wrong = validateLabelSelector(spec.podSelector, 'spec.podSelector')
  for (const [index, { ports, from }] of (spec.ingress ?? []).entries()) {
    wrong.push(...validateRule(ports, from, `spec.ingress[${index}]`, 'from'))
  }
  for (const [index, { ports, to }] of (spec.egress ?? []).entries()) {
    wrong.push(...validateRule(ports, to, `spec.egress[${index}]`, 'to'))
  }
  if ((spec.policyTypes?.length ?? 0) > 2) {
    wrong.push(fieldErrors.invalid('spec.policyTypes', spec.policyTypes, 'may not specify more than two policyTypes'))
  }
  for (const [index, type] of (spec.policyTypes ?? []).entries()) {
    wrong.push(...oneOf(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress']))
  }
  return wrong
}

function validateRule(
  ports: readonly NetworkPolicyPort[] | undefined,
  peers: readonly NetworkPolicyPeer[] | undefined,
  path: string,
  side: 'from' | 'to',
): FieldError[] {
  return [
    ...(ports ?? []).flatMap((port, index) => validatePort(port, `${path}.ports[${index}]`)),
    ...(peers ?? []).flatMap((peer, index) => validatePeer(peer, `${path}.${side}[${index}]`)),
  ]
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: string): FieldError[] {
  const wrong = oneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'], false)
  if (typeof port === 'number') wrong.push(...invalidEach(`${path}.port`, port, portNumber(port)))
  else if (port !== undefined) wrong.push(...invalidEach(`${path}.port`, port, portName(port)))
  if (endPort === undefined) return wrong
  if (port === undefined)
    wrong.push(fieldErrors.required(`${path}.port`, 'must be specified when `endPort` is specified'))
  else if (typeof port === 'string') {
    wrong.push(fieldErrors.invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
  } else {
    wrong.push(...invalidEach(`${path}.endPort`, endPort, portNumber(endPort)))
    if (endPort < port)
      wrong.push(fieldErrors.invalid(`${path}.endPort`, endPort, 'must be greater than or equal to `port`'))
  }
  return wrong
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, path: string): FieldError[] {
  if (!podSelector && !namespaceSelector && !ipBlock) return [fieldErrors.required(path, 'must specify a peer')]
  const wrong: FieldError[] = []
  if (podSelector) wrong.push(...validateLabelSelector(podSelector, `${path}.podSelector`))
  if (namespaceSelector) wrong.push(...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`))
  if (!ipBlock) return wrong
  if (podSelector || namespaceSelector) {
    wrong.push(fieldErrors.forbidden(path, 'may not specify both ipBlock and another peer'))
  }
  return [...wrong, ...validateBlock(ipBlock, `${path}.ipBlock`)]
}

function validateBlock({ cidr, except }: IPBlock, path: string): FieldError[] {
  if (!cidr) return [fieldErrors.required(`${path}.cidr`)]
  const outer = parseCidr(cidr)
  if (!outer) return [fieldErrors.invalid(`${path}.cidr`, cidr, cidrMessage)]
  return (except ?? []).flatMap((text, index) => {
    const at = `${path}.except[${index}]`
    const inner = parseCidr(text)
    if (!inner) return [fieldErrors.invalid(at, text, cidrMessage)]
    return strictlyContains(outer, inner) ? [] : [fieldErrors.invalid(at, text, 'must be a strict subset of `cidr`')]
  })
}

export const networkPolicyTraits = traits<NetworkPolicy>({
  group: 'networking.k8s.io',
  resource: 'networkpolicies',
  shortNames: ['netpol'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<NetworkPolicy>('Pod-Selector', ({ spec }) => formatLabelSelector(spec?.podSelector)),
    ageColumn,
  ],
  strategy: {
    applyDefaults(policy) {
      const spec = (policy.spec ??= {})
      spec.podSelector ??= {}
      // Egress is restricted only by a policy that speaks of it.
      if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
      for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
        for (const port of ports ?? []) port.protocol ||= 'TCP'
      }
    },
    validate: validatePolicy,
  },
})

export const serviceCidrTraits = traits<ServiceCIDR>({
  group: 'networking.k8s.io',
  resource: 'servicecidrs',
  columns: [nameColumn, column<ServiceCIDR>('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn],
  strategy: {
    validate({ spec }) {
      const cidrs = spec?.cidrs ?? []
      if (cidrs.length === 0) return [fieldErrors.required('spec.cidrs', 'at least one CIDR required')]
      if (cidrs.length > 2) return [fieldErrors.invalid('spec.cidrs', cidrs, 'may only hold up to 2 values')]
      return cidrs.flatMap((cidr, index) =>
        parseCidr(cidr) ? [] : [fieldErrors.invalid(`spec.cidrs[${index}]`, cidr, cidrMessage)],
      )
    },
    validateUpdate: ({ spec }, old) => immutable('spec.cidrs', spec?.cidrs, old.spec?.cidrs),
  },
})

export const ipAddressTraits = traits<IPAddress>({
  group: 'networking.k8s.io',
  resource: 'ipaddresses',
  shortNames: ['ip'],
  nameRule: (name, prefix) => (prefix || ipFamily(name) !== 0 ? [] : [ipMessage]),
  columns: [
    nameColumn,
    column<IPAddress>('ParentRef', ({ spec }) => {
      const { group, resource = '', namespace, name = '' } = spec?.parentRef ?? { name: '', resource: '' }
      const what = group ? `${resource}.${group}` : resource
      return namespace ? `${what}/${namespace}/${name}` : `${what}/${name}`
    }),
    ageColumn,
  ],
  strategy: {
    validate: ({ spec }) => (spec?.parentRef ? [] : [fieldErrors.required('spec.parentRef')]),
    validateUpdate: ({ spec }, old) => immutable('spec.parentRef', spec?.parentRef, old.spec?.parentRef),
  },
})
