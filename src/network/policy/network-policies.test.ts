import { describe, expect, test } from 'vitest'
import { createTracer } from '../../../test/support/packet-trace.ts'
import type { NetworkPolicy, NetworkPolicySpec, Pod } from '../../api/kinds.ts'
import { ipv4 } from '../family.ts'
import { createRuleset } from '../proxy/ruleset.ts'
import { fixedChains, fixedContainers } from '../proxy/skeleton.ts'
import { policyContribution } from './network-policies.ts'

const pod = (
  name: string,
  ip: string,
  labels: Record<string, string>,
  more: { namespace?: string; node?: string } = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: more.namespace ?? 'shop', labels },
  spec: {
    nodeName: more.node ?? 'here',
    containers: [{ name: 'c', ports: [{ name: 'web', containerPort: name === 'db' ? 5432 : 8080 }] }],
  },
  status: { phase: 'Running', podIP: ip },
})

const db = '10.244.1.2'
const web = '10.244.1.3'
const farWeb = '10.244.2.4'
const monitor = '10.244.2.5'
const stranger = '10.244.2.6'
const pods = [
  pod('db', db, { app: 'db' }),
  pod('web', web, { app: 'web' }),
  pod('far-web', farWeb, { app: 'web' }, { node: 'there' }),
  pod('monitor', monitor, { app: 'prometheus' }, { namespace: 'ops', node: 'there' }),
  pod('stranger', stranger, { app: 'web' }, { namespace: 'other', node: 'there' }),
]
const labels: Record<string, Record<string, string>> = { shop: { team: 'a' }, ops: { team: 'ops' }, other: {} }

function tracerOf(...specs: NetworkPolicySpec[]) {
  const ranges = { clusterCidr: '10.244.0.0/16', podCidr: '10.244.1.0/24', serviceCidr: '10.96.0.0/12' }
  const ruleset = createRuleset({
    family: ipv4,
    table: 't',
    mark: 1,
    chains: fixedChains(ranges, ipv4),
    containers: fixedContainers(ipv4),
  })
  const policies = specs.map((spec, index): NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `p${index}`, namespace: 'shop' },
    spec,
  }))
  ruleset.set(
    'policies',
    policyContribution({ policies, pods, namespaceLabels: (name) => labels[name], nodeName: 'here', family: ipv4 }),
  )
  const tracer = createTracer(ruleset.view, { local: ['192.168.0.1', '10.244.1.1'], choose: () => 0 })
  return {
    /** Whether a connection is let through. */
    passes: (saddr: string, daddr: string, dport: number, proto: 'tcp' | 'udp' = 'tcp') =>
      tracer.forward({ saddr, daddr, dport, proto }).outcome === 'accept',
    node: (daddr: string, dport: number) =>
      tracer.send({ saddr: '192.168.0.1', daddr, dport, proto: 'tcp' }).outcome === 'accept',
  }
}

const dbOnly = { matchLabels: { app: 'db' } }
const webOnly = { matchLabels: { app: 'web' } }

describe('ingress', () => {
  test('without a policy everything passes', () => {
    expect(tracerOf().passes(stranger, db, 5432)).toBe(true)
  })

  test('a policy without rules isolates the pods it selects, and only them', () => {
    const { passes, node } = tracerOf({ podSelector: dbOnly })
    expect(passes(web, db, 5432)).toBe(false)
    expect(passes(web, farWeb, 80)).toBe(true)
    expect(passes(stranger, web, 80)).toBe(true)
    expect(passes(db, web, 80)).toBe(true)
    expect(node(db, 5432)).toBe(true)
    expect(passes(db, db, 5432)).toBe(true)
  })

  test('an empty selector means every pod of the namespace', () => {
    const { passes } = tracerOf({ podSelector: {} })
    expect(passes(farWeb, web, 80)).toBe(false)
    expect(passes(web, monitor, 80)).toBe(true)
  })

  test('podSelector alone means the policy’s own namespace; both selectors mean both', () => {
    const { passes } = tracerOf({
      podSelector: dbOnly,
      ingress: [
        { from: [{ podSelector: webOnly }] },
        {
          from: [
            {
              namespaceSelector: { matchLabels: { team: 'ops' } },
              podSelector: { matchLabels: { app: 'prometheus' } },
            },
          ],
        },
      ],
    })
    expect([passes(web, db, 5432), passes(farWeb, db, 5432), passes(monitor, db, 9090)]).toEqual([true, true, true])
    expect(passes(stranger, db, 5432)).toBe(false)
  })

  test('namespaceSelector alone means all their pods; an empty rule means everybody', () => {
    const ops = tracerOf({
      podSelector: dbOnly,
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'ops' } } }] }],
    })
    expect([ops.passes(monitor, db, 1), ops.passes(web, db, 1)]).toEqual([true, false])
    expect(tracerOf({ podSelector: dbOnly, ingress: [{}] }).passes(stranger, db, 1)).toBe(true)
  })

  test('ports: number, range, name, protocol alone', () => {
    const allow = (ports: NonNullable<NonNullable<NetworkPolicySpec['ingress']>[number]['ports']>) =>
      tracerOf({ podSelector: dbOnly, ingress: [{ ports }] }).passes
    const number = allow([{ port: 5432 }])
    expect([number(web, db, 5432), number(web, db, 5433), number(web, db, 5432, 'udp')]).toEqual([true, false, false])
    const range = allow([{ port: 100, endPort: 200, protocol: 'UDP' }])
    expect([99, 100, 200, 201].map((port) => range(web, db, port, 'udp'))).toEqual([false, true, true, false])
    const name = allow([{ port: 'web' }])
    expect([name(web, db, 5432), name(web, db, 8080)]).toEqual([true, false])
    const protocol = allow([{ protocol: 'UDP' }])
    expect([protocol(web, db, 1, 'udp'), protocol(web, db, 1)]).toEqual([true, false])
  })

  test('ipBlock with exceptions; one of another address family allows nothing', () => {
    const { passes } = tracerOf({
      podSelector: dbOnly,
      ingress: [
        {
          from: [
            { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
            { ipBlock: { cidr: 'fd00::/8' } },
          ],
        },
      ],
    })
    expect(passes('203.0.113.5', db, 1)).toBe(true)
    expect(passes('203.0.113.200', db, 1)).toBe(false)
    expect(passes(web, db, 1)).toBe(false)
  })

  test('policies add up', () => {
    const { passes } = tracerOf(
      { podSelector: dbOnly },
      { podSelector: {}, ingress: [{ from: [{ podSelector: webOnly }] }] },
    )
    expect([passes(web, db, 1), passes(monitor, db, 1)]).toEqual([true, false])
  })
})

describe('egress', () => {
  test('isolates only when the policy is of that type', () => {
    expect(tracerOf({ podSelector: dbOnly, policyTypes: ['Ingress'] }).passes(db, web, 80)).toBe(true)
    const isolated = tracerOf({ podSelector: dbOnly, policyTypes: ['Egress'] })
    expect([isolated.passes(db, web, 80), isolated.passes(web, db, 80)]).toEqual([false, true])
  })

  test('both ends must allow', () => {
    const out: NetworkPolicySpec = {
      podSelector: webOnly,
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: dbOnly }] }],
    }
    expect(tracerOf(out).passes(web, db, 5432)).toBe(true)
    expect(tracerOf(out).passes(web, monitor, 80)).toBe(false)
    expect(tracerOf(out, { podSelector: dbOnly }).passes(web, db, 5432)).toBe(false)
  })

  test('named ports are the destination’s', () => {
    const { passes } = tracerOf({
      podSelector: webOnly,
      egress: [{ ports: [{ port: 'web' }] }],
      policyTypes: ['Egress'],
    })
    expect([passes(web, db, 5432), passes(web, monitor, 8080), passes(web, monitor, 5432)]).toEqual([true, true, false])
  })
})
