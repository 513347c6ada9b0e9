import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../src/api/kinds.ts'
import { formatLabelSelector } from '../../../src/lib/selector.ts'
import { headLines } from './lines.ts'

/** Rules of one direction, in the words that describe them. */
interface Direction {
  name: 'ingress' | 'egress'
  peers: 'From' | 'To'
  end: 'source' | 'destination'
  rules: readonly { ports: readonly NetworkPolicyPort[]; peers: readonly NetworkPolicyPeer[] }[]
}

export function describeNetworkPolicy(policy: NetworkPolicy): string[] {
  const { metadata, spec } = policy
  const [name = '', namespace = '', ...rest] = headLines(policy)
  const types = spec?.policyTypes ?? []
  const selector = formatLabelSelector(spec?.podSelector)
  const directions: Direction[] = [
    {
      name: 'ingress',
      peers: 'From',
      end: 'source',
      rules: (spec?.ingress ?? []).map(({ ports = [], from = [] }) => ({ ports, peers: from })),
    },
    {
      name: 'egress',
      peers: 'To',
      end: 'destination',
      rules: (spec?.egress ?? []).map(({ ports = [], to = [] }) => ({ ports, peers: to })),
    },
  ]
  return [
    name,
    namespace,
    `Created on:\t${(metadata.creationTimestamp ?? '').replace('T', ' ').replace('Z', ' +0000 UTC')}`,
    ...rest,
    'Spec:',
    `  PodSelector:     ${selector === '<none>' ? '<none> (Allowing the specific traffic to all pods in this namespace)' : selector}`,
    ...directions.flatMap((direction) =>
      types.some((type) => type.toLowerCase() === direction.name)
        ? [`  Allowing ${direction.name} traffic:`, ...directionLines(direction).map((line) => `    ${line}`)]
        : [`  Not affecting ${direction.name} traffic`],
    ),
    `  Policy Types: ${types.join(', ')}`,
  ]
}

function directionLines({ name, peers: word, end, rules }: Direction): string[] {
  if (rules.length === 0) return [`<none> (Selected pods are isolated for ${name} connectivity)`]
  return rules.flatMap(({ ports, peers }, index) => [
    ...(ports.length === 0
      ? ['To Port: <any> (traffic allowed to all ports)']
      : ports.map(({ port, protocol = 'TCP' }) => `To Port: ${port ?? '<any>'}/${protocol}`)),
    ...(peers.length === 0
      ? [`${word}: <any> (traffic not restricted by ${end})`]
      : peers.flatMap((peer) => [`${word}:`, ...peerLines(peer).map((line) => `  ${line}`)])),
    ...(index < rules.length - 1 ? ['----------'] : []),
  ])
}

function peerLines({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): string[] {
  if (ipBlock) return ['IPBlock:', `  CIDR: ${ipBlock.cidr}`, `  Except: ${(ipBlock.except ?? []).join(', ')}`]
  return [
    ...(namespaceSelector ? [`NamespaceSelector: ${formatLabelSelector(namespaceSelector)}`] : []),
    ...(podSelector ? [`PodSelector: ${formatLabelSelector(podSelector)}`] : []),
  ]
}
