import { createHash } from 'node:crypto'
import type {
  NetworkPolicy,
  NetworkPolicyEgressRule,
  NetworkPolicyIngressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
} from '../../api/kinds.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import { addressesOf, rangesOf, type Family } from '../family.ts'
import { createContribution, type Contribution, type ContributionBuilder } from '../proxy/contribution.ts'
import type { Match, Rule } from '../proxy/rules.ts'

/** What policies are decided on. */
export interface PolicyInput {
  readonly policies: readonly NetworkPolicy[]
  /** Of the whole cluster. */
  readonly pods: readonly Pod[]
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined
  readonly nodeName: string
  readonly family: Family
}

type Direction = 'ingress' | 'egress'

/** A pod with an address of its own; pods on the host's network are the node, which policies do not select. */
interface Target {
  readonly pod: Pod
  readonly ip: string
  readonly namespace: string
}

/** One rule of a policy, in either direction. */
interface Allowance {
  readonly peers: readonly NetworkPolicyPeer[]
  readonly ports: readonly NetworkPolicyPort[]
}

/**
 * What NetworkPolicies (networking.k8s.io/v1) add to this node's rules. Each pod of this node that is selected leads,
 * by one lookup, to a chain that returns what is allowed and drops the rest; pods selected by the same policies share
 * the chain. Peers are sets of addresses, so a pod that comes or goes elsewhere changes one element.
 *
 * Traffic between a pod and its own node is always allowed, as upstream has it; that includes the node's DNS.
 */
export function policyContribution(input: PolicyInput): Contribution {
  const out = createContribution()
  if (input.policies.length === 0) return out.done()
  const targets = targetsOf(input.pods, input.family)
  for (const target of targets) {
    if (target.pod.spec?.nodeName !== input.nodeName) continue
    const selecting = input.policies.filter((policy) => selects(policy, target))
    for (const direction of ['ingress', 'egress'] as const) {
      const policies = selecting.filter((policy) => typesOf(policy).includes(direction))
      if (policies.length === 0) continue
      const chain = addChain(out, direction, policies, targets, input)
      out.element(`policy-${direction}`, [target.ip], `jump ${chain}`)
      out.element('policy-self', [target.ip, target.ip])
    }
  }
  return out.done()
}

function targetsOf(pods: readonly Pod[], family: Family): Target[] {
  return pods.flatMap((pod) => {
    const ip = podAddress(pod, family) ?? ''
    const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    return ip === '' || over || pod.spec?.hostNetwork ? [] : [{ pod, ip, namespace: pod.metadata.namespace ?? '' }]
  })
}

function selects(policy: NetworkPolicy, target: Target): boolean {
  return (
    policy.metadata.namespace === target.namespace &&
    matchesLabelSelector(policy.spec?.podSelector ?? {}, target.pod.metadata.labels)
  )
}

/** As defaulted by the API: Ingress always, Egress when there are egress rules. */
function typesOf({ spec }: NetworkPolicy): Direction[] {
  const named = spec?.policyTypes ?? (spec?.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'])
  return (['ingress', 'egress'] as const).filter((one) => named.some((type) => type.toLowerCase() === one))
}

function allowancesOf(policy: NetworkPolicy, direction: Direction): Allowance[] {
  const rules: (NetworkPolicyIngressRule & NetworkPolicyEgressRule)[] = policy.spec?.[direction] ?? []
  return rules.map((rule) => ({
    peers: (direction === 'ingress' ? rule.from : rule.to) ?? [],
    ports: rule.ports ?? [],
  }))
}

function addChain(
  out: ContributionBuilder,
  direction: Direction,
  policies: readonly NetworkPolicy[],
  targets: readonly Target[],
  input: PolicyInput,
): string {
  const names = policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted()
  const name = `policy-${direction}-${digest(names.join())}`
  const rules: Rule[] = []
  for (const policy of policies) {
    for (const allowance of allowancesOf(policy, direction)) {
      const peers = allowance.peers.length > 0 ? allowance.peers : [undefined]
      for (const peer of peers) {
        const from = peer ? peerMatches(out, direction, peer, policy, targets, input) : []
        // Named ports belong to the pods that are connected to: those selected (ingress), or anybody (egress).
        const servers = direction === 'ingress' ? targets.filter((target) => selects(policy, target)) : targets
        for (const match of portMatches(out, allowance.ports, servers, input.family)) {
          rules.push({ when: [...from, ...match], does: [{ do: 'return' }] })
        }
      }
    }
  }
  out.chain(name, { rules: [...rules, { when: [], does: [{ do: 'drop' }] }] })
  return name
}

function peerMatches(
  out: ContributionBuilder,
  direction: Direction,
  peer: NetworkPolicyPeer,
  policy: NetworkPolicy,
  targets: readonly Target[],
  input: PolicyInput,
): Match[] {
  const field = direction === 'ingress' ? 'saddr' : 'daddr'
  if (peer.ipBlock) {
    const [range] = rangesOf([peer.ipBlock.cidr], input.family)
    const except = rangesOf(peer.ipBlock.except ?? [], input.family)
    // A block of the other address family matches nothing here; so does an empty set.
    if (!range) return [{ match: 'set', key: [field], set: addAddresses(out, 'none', [], input.family) }]
    const block: Match[] = [{ match: 'prefix', field, in: [range] }]
    for (const one of except) block.push({ match: 'prefix', field, in: [one], not: true })
    return block
  }
  const { namespaceSelector, podSelector } = peer
  const members = targets.filter(({ pod, namespace }) => {
    const inNamespace = namespaceSelector
      ? matchesLabelSelector(namespaceSelector, input.namespaceLabels(namespace))
      : namespace === policy.metadata.namespace
    return inNamespace && matchesLabelSelector(podSelector ?? {}, pod.metadata.labels)
  })
  const where = namespaceSelector ? JSON.stringify(namespaceSelector) : `in ${policy.metadata.namespace}`
  const identity = `${where} ${JSON.stringify(podSelector ?? {})}`
  return [{ match: 'set', key: [field], set: addAddresses(out, identity, members, input.family) }]
}

/** A set of pods' addresses, named by what selects them, so that its members can change without its users. */
function addAddresses(
  out: ContributionBuilder,
  identity: string,
  members: readonly Target[],
  { addressType }: Family,
): string {
  const name = `pods-${digest(identity)}`
  out.container(name, { kind: 'set', declaration: `type ${addressType};` })
  for (const { ip } of members) out.element(name, [ip])
  return name
}

/** One list of matches for each port; one empty list when every port is meant. */
function portMatches(
  out: ContributionBuilder,
  ports: readonly NetworkPolicyPort[],
  servers: readonly Target[],
  family: Family,
): Match[][] {
  if (ports.length === 0) return [[]]
  return ports.map(({ port, endPort, protocol = 'TCP' }) => {
    const proto = protocol.toLowerCase()
    if (port === undefined) return [{ match: 'proto', proto }]
    if (typeof port === 'number') return [{ match: 'port', proto, from: port, to: endPort ?? port }]
    return [
      { match: 'set', key: ['daddr', 'proto', 'dport'], set: addNamedPort(out, { port, protocol, servers, family }) },
    ]
  })
}

function addNamedPort(
  out: ContributionBuilder,
  wanted: { port: string; protocol: string; servers: readonly Target[]; family: Family },
): string {
  const { port, protocol, servers, family } = wanted
  const entries = servers.flatMap(({ pod, ip }) =>
    (pod.spec?.containers ?? []).flatMap((container) =>
      (container.ports ?? [])
        .filter((one) => one.name === port && (one.protocol ?? 'TCP') === protocol)
        .map((one) => [ip, protocol.toLowerCase(), one.containerPort] as const),
    ),
  )
  const name = `ports-${digest(`${port} ${protocol} ${entries.join(';')}`)}`
  out.container(name, { kind: 'set', declaration: `type ${family.addressType} . inet_proto . inet_service;` })
  for (const entry of entries) out.element(name, entry)
  return name
}

/** A pod's address of the family. */
export function podAddress({ status }: Pod, family: Family): string | undefined {
  return addressesOf([status?.podIP ?? '', ...(status?.podIPs ?? []).map((one) => one.ip ?? '')], family)[0]
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
