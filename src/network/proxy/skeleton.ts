import { type Family, inRange, rangesOf } from '../family.ts'
import { type Contribution, createContribution } from './contribution.ts'
import { keyText, type Chain, type Container, type Field, type Rule } from './rules.ts'

/** What the fixed part of the rules of one family depends on. */
export interface ProxyRanges {
  /** All pod addresses of the cluster. */
  readonly clusterCidr: string
  /** This node's part of them; undefined until the node has one. */
  readonly podCidr?: string
  readonly serviceCidr: string
  /** Bridge of this node's pods. */
  readonly bridge?: string
  /** Where this node's own API server listens. */
  readonly apiServer?: { readonly address: string; readonly port: number }
}

/**
 * Holds `tcp` while this node's API server takes connections: each one that it takes renews it. So default/kubernetes
 * finds another server when this one was killed, although nobody is left here to change a rule.
 */
export const apiServerAlive = 'api-server-alive'
/** At least two probes (api-probe.ts) fit in. */
export const apiServerAliveSeconds = 8

/**
 * How a packet finds its way. A frontend is a tuple that clients address: `ip` scope (address, protocol, port) for
 * cluster, external and load-balancer IPs, `port` scope (protocol, port on any address of the node) for node ports and
 * host ports.
 *   SCOPE-services  what to do with a new connection to the frontend
 *   SCOPE-short     the same for clients inside the cluster, where the policy keeps only outside traffic local
 *   SCOPE-local     the same for clients outside, under that policy
 *   SCOPE-eps       the frontend's endpoints, numbered from 0; SCOPE-local-eps those on this node
 *   SCOPE-none      frontends without any endpoint, which are rejected
 * Every lookup is one hash lookup, whatever the number of services.
 */
export const tuple = {
  ip: ['daddr', 'proto', 'dport'],
  port: ['proto', 'dport'],
} as const satisfies Record<string, readonly Field[]>

export type Scope = keyof typeof tuple

const keyType = (scope: Scope, { addressType }: Family): string =>
  scope === 'ip' ? `${addressType} . inet_proto . inet_service` : 'inet_proto . inet_service'
const scopes = ['ip', 'port'] as const

/** The maps and sets that always exist. */
export function fixedContainers(family: Family): Map<string, Container> {
  const { addressType } = family
  const containers = new Map<string, Container>()
  for (const scope of scopes) {
    for (const use of ['services', 'short', 'local']) {
      containers.set(`${scope}-${use}`, { kind: 'map', declaration: `type ${keyType(scope, family)} : verdict;` })
    }
    for (const use of ['eps', 'local-eps']) {
      // The modulus in a type is only its width: rules use the number of endpoints.
      const declaration = `typeof ${keyText(tuple[scope], family)} . numgen random mod 65536 : ${family.name} daddr . th dport;`
      containers.set(`${scope}-${use}`, { kind: 'map', declaration })
    }
    containers.set(`${scope}-none`, { kind: 'set', declaration: `type ${keyType(scope, family)};` })
  }
  const alive = `type inet_proto; size 8; flags dynamic,timeout; timeout ${apiServerAliveSeconds}s;`
  containers.set(apiServerAlive, { kind: 'set', declaration: alive })
  containers.set('restricted', { kind: 'set', declaration: `type ${keyType('ip', family)};` })
  containers.set('allowed', {
    kind: 'set',
    declaration: `type ${keyType('ip', family)} . ${addressType}; flags interval;`,
  })
  containers.set('hairpin', { kind: 'set', declaration: `type ${addressType} . ${addressType};` })
  for (const direction of ['ingress', 'egress']) {
    containers.set(`policy-${direction}`, { kind: 'map', declaration: `type ${addressType} : verdict;` })
  }
  containers.set('policy-self', { kind: 'set', declaration: `type ${addressType} . ${addressType};` })
  return containers
}

/** Spreads over up to so many endpoints have their chains from the start. */
export const preparedSpreads = 16

export type EndpointMap = 'eps' | 'local-eps'

/** Name and rules of the chain that spreads a frontend's connections over so many endpoints; shared by all such. */
export function spreadChain(
  scope: Scope,
  use: EndpointMap,
  count: number,
  masquerade: boolean,
): { name: string; chain: Chain } {
  const spread: Rule = { when: [], does: [{ do: 'dnat', key: tuple[scope], oneOf: count, map: `${scope}-${use}` }] }
  const mark: Rule = { when: [], does: [{ do: 'mark' }] }
  return {
    name: `${scope}-${use}-${count}${masquerade ? '-masq' : ''}`,
    chain: { rules: masquerade ? [mark, spread] : [spread] },
  }
}

function preparedChains(): [string, Chain][] {
  const chains: [string, Chain][] = []
  for (const scope of scopes) {
    for (const use of ['eps', 'local-eps'] as const) {
      for (const masquerade of [false, true]) {
        for (let count = 1; count <= preparedSpreads; count++) {
          const { name, chain } = spreadChain(scope, use, count, masquerade)
          chains.push([name, chain])
        }
      }
    }
  }
  return chains
}

const toThisMachine = ({ loopback }: Family) =>
  [
    { match: 'prefix', field: 'daddr', in: [loopback], not: true },
    { match: 'local', field: 'daddr' },
  ] as const

function outsideLocalRules(scope: Scope, ranges: ProxyRanges): Rule[] {
  const short = { do: 'lookup', key: tuple[scope], map: `${scope}-short` } as const
  return [
    { when: [{ match: 'prefix', field: 'saddr', in: [ranges.clusterCidr] }], does: [short] },
    { when: [{ match: 'local', field: 'saddr' }], does: [{ do: 'mark' }, short] },
    { when: [], does: [{ do: 'lookup', key: tuple[scope], map: `${scope}-local` }] },
  ]
}

/**
 * Refuses at once. An ICMPv6 error reaches a client of this machine while it still sends, and counts only after a second:
 * TCP over IPv6 is told in its own way.
 */
const refuse = (when: Rule['when'], family: Family): Rule[] => [
  ...(family.name === 'ip6'
    ? [{ when: [{ match: 'proto', proto: 'tcp' } as const, ...when], does: [{ do: 'reset' } as const] }]
    : []),
  { when, does: [{ do: 'reject' }] },
]

/** Chains for the ranges of cluster IPs that come and go; in a chain of their own they cost nothing while there are none. */
const furtherRefuse = 'further-refuse'
const furtherMark = 'further-mark'

const rejectRules = (ranges: ProxyRanges, family: Family): Rule[] => [
  ...refuse([{ match: 'set', key: tuple.ip, set: 'ip-none' }], family),
  ...refuse([{ match: 'prefix', field: 'daddr', in: [ranges.serviceCidr] }], family),
  { when: [], does: [{ do: 'jump', chain: furtherRefuse }] },
]

const markFromOutside = ({ clusterCidr }: ProxyRanges, range: string): Rule => ({
  when: [
    { match: 'prefix', field: 'saddr', in: [clusterCidr], not: true },
    { match: 'prefix', field: 'daddr', in: [range] },
  ],
  does: [{ do: 'mark' }],
})

/** What is done with the first range of cluster IPs is done with these too. */
export function furtherRangesContribution(
  further: readonly string[],
  ranges: ProxyRanges,
  family: Family,
): Contribution {
  const out = createContribution()
  const found = rangesOf(further, family).filter(
    (range) => !inRange(range.split('/')[0] ?? '', ranges.serviceCidr, family),
  )
  out.chain(furtherRefuse, {
    rules: found.flatMap((range) => refuse([{ match: 'prefix', field: 'daddr', in: [range] }], family)),
  })
  out.chain(furtherMark, { rules: found.map((range) => markFromOutside(ranges, range)) })
  return out.done()
}

/**
 * The chains that always exist. The hooks run just before those of Docker and of firewalls, which then see packets
 * with the addresses that they really go to.
 */
export function fixedChains(ranges: ProxyRanges, family: Family): Map<string, Chain> {
  const { loopback } = family
  const services: Rule[] = [
    {
      when: [
        { match: 'set', key: tuple.ip, set: 'restricted' },
        { match: 'set', key: [...tuple.ip, 'saddr'], set: 'allowed', not: true },
      ],
      does: [{ do: 'drop' }],
    },
    markFromOutside(ranges, ranges.serviceCidr),
    { when: [], does: [{ do: 'jump', chain: furtherMark }] },
    { when: [], does: [{ do: 'lookup', key: tuple.ip, map: 'ip-services' }] },
    { when: toThisMachine(family), does: [{ do: 'lookup', key: tuple.port, map: 'port-services' }] },
  ]
  // The mark is cleared so that a tunnel's outer packet, which inherits it, is not masqueraded too.
  const postrouting: Rule[] = [
    { when: [{ match: 'mark' }], does: [{ do: 'unmark' }, { do: 'masquerade' }] },
    { when: [{ match: 'set', key: ['saddr', 'daddr'], set: 'hairpin' }], does: [{ do: 'masquerade' }] },
  ]
  if (ranges.podCidr !== undefined) {
    const inside = [ranges.clusterCidr, ranges.serviceCidr, family.multicast]
    postrouting.push({
      when: [
        { match: 'prefix', field: 'saddr', in: [ranges.podCidr] },
        { match: 'prefix', field: 'daddr', in: inside, not: true },
      ],
      does: [{ do: 'masquerade' }],
    })
  }
  // A program of this machine that asks 127.0.0.1 for a host port; answers to that address would not come back.
  postrouting.push({
    when: [
      { match: 'prefix', field: 'saddr', in: [loopback] },
      { match: 'prefix', field: 'daddr', in: [loopback], not: true },
    ],
    does: [{ do: 'masquerade' }],
  })
  // For those answers the bridge takes packets for 127.0.0.1 (route_localnet); pods must not reach the node's own by it.
  const loopbackGuard: Rule[] = ranges.bridge
    ? [
        { when: [{ match: 'established' }], does: [{ do: 'return' }] },
        {
          when: [
            { match: 'from', interface: ranges.bridge },
            { match: 'prefix', field: 'daddr', in: [loopback] },
          ],
          does: [{ do: 'drop' }],
        },
      ]
    : []
  // Answers are judged by the connection that they belong to; a pod always reaches itself.
  const policies: Rule[] = [
    // Bridged packets pass here too.
    ...(family.name === 'ip6' ? [{ when: [{ match: 'neighbour' }], does: [{ do: 'return' }] } satisfies Rule] : []),
    { when: [{ match: 'established' }], does: [{ do: 'return' }] },
    { when: [{ match: 'set', key: ['saddr', 'daddr'], set: 'policy-self' }], does: [{ do: 'return' }] },
    { when: [], does: [{ do: 'lookup', key: ['saddr'], map: 'policy-egress' }] },
    { when: [], does: [{ do: 'lookup', key: ['daddr'], map: 'policy-ingress' }] },
  ]
  const toServices: Rule[] = [{ when: [], does: [{ do: 'jump', chain: 'services' }] }]
  const rejects = rejectRules(ranges, family)
  // Such a packet is not translated back: its receiver would see an address that it never spoke to, and end the connection.
  const strays = (['saddr', 'daddr'] as const).map((field): Rule => ({
    when: [{ match: 'invalid' }, { match: 'prefix', field, in: [ranges.clusterCidr] }],
    does: [{ do: 'drop' }],
  }))
  const rejectPorts = refuse([...toThisMachine(family), { match: 'set', key: tuple.port, set: 'port-none' }], family)
  const { apiServer } = ranges
  const aliveRules: Rule[] = apiServer
    ? [
        {
          when: [{ match: 'accepts', ...apiServer }],
          does: [{ do: 'remember', set: apiServerAlive, field: 'proto' }],
        },
      ]
    : []
  return new Map<string, Chain>([
    ...preparedChains(),
    ...furtherRangesContribution([], ranges, family).chains,
    ['ip-outside-local', { rules: outsideLocalRules('ip', ranges) }],
    ['port-outside-local', { rules: outsideLocalRules('port', ranges) }],
    ['services', { rules: services }],
    ['prerouting', { hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat - 10' }, rules: toServices }],
    ['output', { hook: { type: 'nat', hook: 'output', priority: '-110' }, rules: toServices }],
    ['postrouting', { hook: { type: 'nat', hook: 'postrouting', priority: 'srcnat - 10' }, rules: postrouting }],
    [
      'input-filter',
      {
        hook: { type: 'filter', hook: 'input', priority: 'filter - 10' },
        rules: [...loopbackGuard, ...rejects, ...rejectPorts],
      },
    ],
    [
      'forward-filter',
      {
        hook: { type: 'filter', hook: 'forward', priority: 'filter - 10' },
        rules: [...strays, ...rejects, ...policies],
      },
    ],
    [
      'output-filter',
      { hook: { type: 'filter', hook: 'output', priority: 'filter - 10' }, rules: [...rejects, ...aliveRules] },
    ],
  ])
}
