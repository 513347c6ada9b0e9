import { describe, expect, test } from 'vitest'
import { createTracer, type Packet } from '../../../test/support/packet-trace.ts'
import type { Endpoint, EndpointSlice, Service, ServiceSpec } from '../../api/kinds.ts'
import { hostPortContribution, pinnedContribution, serviceContribution, type PreferredBackend } from './frontends.ts'
import { ipv4 } from '../family.ts'
import { createRuleset } from './ruleset.ts'
import { apiServerAlive, fixedChains, fixedContainers, furtherRangesContribution } from './skeleton.ts'

const ranges = {
  clusterCidr: '10.244.0.0/16',
  podCidr: '10.244.1.0/24',
  serviceCidr: '10.96.0.0/12',
  bridge: 'stormo0',
}
const nodeIp = '192.168.0.1'
const outside = '203.0.113.9'
const podHere = '10.244.1.10'
const podThere = '10.244.2.20'
const clusterIp = '10.96.0.50'

const endpoint = (address: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  nodeName: address.startsWith('10.244.1.') ? 'here' : 'there',
  ...more,
})

function service(spec: Partial<ServiceSpec> = {}, status: Service['status'] = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      ...spec,
    },
    status,
  }
}

function slice(endpoints: Endpoint[], protocol = 'TCP'): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'default' },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 8080, protocol }],
  }
}

/** The rules of node `here` with one service, and a tracer whose chances are given in turn. */
function rulesOf(
  subject: Service,
  endpoints: Endpoint[],
  options: { zone?: string; chances?: number[]; protocol?: string; preferred?: PreferredBackend } = {},
) {
  const ruleset = createRuleset({
    family: ipv4,
    table: 'stormo',
    mark: 0x4000,
    chains: fixedChains({ ...ranges, apiServer: { address: nodeIp, port: 6443 } }, ipv4),
    containers: fixedContainers(ipv4),
  })
  const node = { nodeName: 'here', zone: options.zone ?? '', family: ipv4 }
  ruleset.set('service', serviceContribution(subject, [slice(endpoints, options.protocol)], node, options.preferred))
  let turn = 0
  const tracer = createTracer(ruleset.view, {
    local: [nodeIp, '10.244.1.1'],
    choose: (bound) => (options.chances?.[turn++ % options.chances.length] ?? 0) % bound,
  })
  return { ruleset, tracer }
}

const to = (daddr: string, dport: number, saddr: string, proto: Packet['proto'] = 'tcp'): Packet => ({
  saddr,
  daddr,
  dport,
  proto,
})
const both = [endpoint(podHere), endpoint(podThere)]

describe('a preferred endpoint', () => {
  const preferred = { address: podHere, whileIn: apiServerAlive }
  const answer = { ...to(podThere, 50_000, nodeIp), accepts: 6443 }

  test("gets every connection once this node's API server has taken one, and none before", () => {
    const { tracer } = rulesOf(service(), both, { preferred })
    const ask = () => tracer.forward(to(clusterIp, 80, podThere)).daddr
    expect(ask()).toBe(podThere)
    tracer.send({ ...answer, accepts: 443 })
    expect(ask()).toBe(podThere)
    tracer.send(answer)
    expect(ask()).toBe(podHere)
  })

  test('that is the only one gets them in any case', () => {
    const { tracer } = rulesOf(service(), [endpoint(podHere)], { preferred })
    expect(tracer.forward(to(clusterIp, 80, podThere)).daddr).toBe(podHere)
  })
})

describe('ClusterIP', () => {
  test('a pod reaches every endpoint, with its own address', () => {
    const { tracer } = rulesOf(service(), both, { chances: [0, 1] })
    const ask = () => tracer.forward(to(clusterIp, 80, '10.244.1.99'))
    expect([ask(), ask()]).toEqual([
      { outcome: 'accept', daddr: podHere, dport: 8080, masqueraded: false },
      { outcome: 'accept', daddr: podThere, dport: 8080, masqueraded: false },
    ])
  })

  test('a client outside the pod network is masqueraded', () => {
    const { tracer } = rulesOf(service(), both)
    expect(tracer.send(to(clusterIp, 80, nodeIp))).toMatchObject({ daddr: podHere, masqueraded: true })
  })

  test('a pod reaches itself, masqueraded (hairpin)', () => {
    const { tracer } = rulesOf(service(), both)
    expect(tracer.forward(to(clusterIp, 80, podHere))).toMatchObject({ daddr: podHere, masqueraded: true })
  })

  test('another port, an unknown address and a service without endpoints are rejected', () => {
    const { tracer } = rulesOf(service(), both)
    expect(tracer.forward(to(clusterIp, 81, podThere)).outcome).toBe('reject')
    expect(tracer.send(to('10.97.1.1', 80, nodeIp)).outcome).toBe('reject')
    expect(rulesOf(service(), []).tracer.forward(to(clusterIp, 80, podThere)).outcome).toBe('reject')
  })

  test.each(['udp', 'sctp'] as const)('%s is told apart from tcp', (proto) => {
    const ports = [{ name: 'http', port: 80, protocol: proto.toUpperCase() }]
    const { tracer } = rulesOf(service({ ports }), both, { protocol: proto.toUpperCase() })
    expect(tracer.forward(to(clusterIp, 80, podThere, proto)).daddr).toBe(podHere)
    expect(tracer.forward(to(clusterIp, 80, podThere, 'tcp')).outcome).toBe('reject')
  })

  test('internalTrafficPolicy Local stays on the node, and drops where there is no endpoint', () => {
    const local = service({ internalTrafficPolicy: 'Local' })
    const chances = [0, 1, 2]
    const { tracer } = rulesOf(local, both, { chances })
    for (const _ of chances) expect(tracer.forward(to(clusterIp, 80, '10.244.1.99')).daddr).toBe(podHere)
    expect(rulesOf(local, [endpoint(podThere)]).tracer.forward(to(clusterIp, 80, '10.244.1.99')).outcome).toBe('drop')
  })

  test("services that are labelled as another proxy's add nothing", () => {
    for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']) {
      const { metadata, ...rest } = service()
      const labelled = { ...rest, metadata: { ...metadata, labels: { [label]: '' } } }
      const { tracer } = rulesOf(labelled, [endpoint(podHere)])
      expect(tracer.forward(to(clusterIp, 80, podThere)).outcome).toBe('reject')
    }
  })

  test('headless and ExternalName services add nothing', () => {
    for (const spec of [
      { clusterIP: 'None', clusterIPs: ['None'] },
      { type: 'ExternalName', clusterIP: '' },
    ]) {
      expect(
        serviceContribution(service(spec), [slice(both)], { nodeName: 'here', zone: '', family: ipv4 }).elements,
      ).toEqual([])
    }
  })
})

describe('choice of endpoints', () => {
  const reached = (endpoints: Endpoint[], zone = '') => {
    const { tracer } = rulesOf(service(), endpoints, { zone, chances: [0, 1, 2, 3] })
    return new Set(Array.from({ length: 8 }, () => tracer.forward(to(clusterIp, 80, '10.244.1.99')).daddr))
  }

  test('endpoints that are not ready get nothing', () => {
    expect(reached([endpoint(podHere), endpoint(podThere, { conditions: { ready: false } })])).toEqual(
      new Set([podHere]),
    )
  })

  test('when none is ready, those that terminate but serve are used', () => {
    const dying = { ready: false, serving: true, terminating: true }
    expect(
      reached([endpoint(podHere, { conditions: dying }), endpoint(podThere, { conditions: { ready: false } })]),
    ).toEqual(new Set([podHere]))
  })

  test('zone hints count only when every endpoint has one and the zone is among them', () => {
    const a = endpoint(podHere, { hints: { forZones: [{ name: 'a' }] } })
    const b = endpoint(podThere, { hints: { forZones: [{ name: 'b' }] } })
    expect(reached([a, b], 'b')).toEqual(new Set([podThere]))
    expect(reached([a, b], 'c')).toEqual(new Set([podHere, podThere]))
    expect(reached([a, endpoint(podThere)], 'a')).toEqual(new Set([podHere, podThere]))
  })

  test('node hints go before zone hints', () => {
    const hints = (node: string) => ({ forZones: [{ name: 'a' }], forNodes: [{ name: node }] })
    const endpoints = [endpoint(podHere, { hints: hints('here') }), endpoint(podThere, { hints: hints('there') })]
    expect(reached(endpoints, 'a')).toEqual(new Set([podHere]))
  })
})

describe('node ports', () => {
  const nodePort = (spec: Partial<ServiceSpec> = {}) =>
    service({ type: 'NodePort', ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }], ...spec })

  test('lead from outside to every endpoint, masqueraded', () => {
    const { tracer } = rulesOf(nodePort(), both, { chances: [1] })
    expect(tracer.forward(to(nodeIp, 30080, outside))).toEqual({
      outcome: 'accept',
      daddr: podThere,
      dport: 8080,
      masqueraded: true,
    })
  })

  test('are rejected without endpoints, and leave other ports of the node alone', () => {
    const { tracer } = rulesOf(nodePort(), [])
    expect(tracer.forward(to(nodeIp, 30080, outside)).outcome).toBe('reject')
    expect(tracer.forward(to(nodeIp, 22, outside))).toMatchObject({ outcome: 'accept', daddr: nodeIp })
    expect(tracer.send(to('127.0.0.1', 30080, '127.0.0.1'))).toMatchObject({ outcome: 'accept', daddr: '127.0.0.1' })
  })

  test('under externalTrafficPolicy Local keep outside clients on the node with their address', () => {
    const { tracer } = rulesOf(nodePort({ externalTrafficPolicy: 'Local' }), both, { chances: [0, 1, 2] })
    for (let turn = 0; turn < 3; turn++) {
      expect(tracer.forward(to(nodeIp, 30080, outside))).toMatchObject({ daddr: podHere, masqueraded: false })
    }
  })

  test('under that policy drop outside clients where no endpoint is, but serve pods and the node', () => {
    const { tracer } = rulesOf(nodePort({ externalTrafficPolicy: 'Local' }), [endpoint(podThere)])
    expect(tracer.forward(to(nodeIp, 30080, outside)).outcome).toBe('drop')
    expect(tracer.forward(to(nodeIp, 30080, '10.244.1.99'))).toMatchObject({ daddr: podThere, masqueraded: false })
    expect(tracer.send(to(nodeIp, 30080, nodeIp))).toMatchObject({ daddr: podThere, masqueraded: true })
  })
})

describe('external addresses', () => {
  test('externalIPs and load balancer addresses lead to endpoints; ipMode Proxy does not', () => {
    const subject = service(
      { type: 'LoadBalancer', externalIPs: ['198.51.100.1'] },
      { loadBalancer: { ingress: [{ ip: '198.51.100.2' }, { ip: '198.51.100.3', ipMode: 'Proxy' }] } },
    )
    const { tracer } = rulesOf(subject, both)
    for (const ip of ['198.51.100.1', '198.51.100.2']) {
      expect(tracer.forward(to(ip, 80, outside))).toMatchObject({ daddr: podHere, dport: 8080, masqueraded: true })
    }
    expect(tracer.forward(to('198.51.100.3', 80, outside)).daddr).toBe('198.51.100.3')
  })

  test('are rejected without endpoints', () => {
    const { tracer } = rulesOf(service({ externalIPs: ['198.51.100.1'] }), [])
    expect(tracer.forward(to('198.51.100.1', 80, outside)).outcome).toBe('reject')
  })

  test('loadBalancerSourceRanges let in only whom they name, also when they overlap', () => {
    const subject = service(
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/24', '203.0.113.8/29', ' 10.0.0.7/8 '] },
      { loadBalancer: { ingress: [{ ip: '198.51.100.2' }] } },
    )
    const { tracer, ruleset } = rulesOf(subject, both)
    expect(tracer.forward(to('198.51.100.2', 80, outside)).daddr).toBe(podHere)
    expect(tracer.forward(to('198.51.100.2', 80, '10.9.9.9')).daddr).toBe(podHere)
    expect(tracer.forward(to('198.51.100.2', 80, '192.0.2.1')).outcome).toBe('drop')
    expect([...(ruleset.view.elements.get('allowed')?.keys() ?? [])]).toEqual([
      '198.51.100.2 . tcp . 80 . 10.0.0.0/8',
      '198.51.100.2 . tcp . 80 . 203.0.113.0/24',
    ])
  })
})

describe('session affinity', () => {
  const sticky = service({ sessionAffinity: 'ClientIP', externalIPs: ['198.51.100.1'] })

  test('keeps a client at its endpoint, whatever chance says, on every frontend of the port', () => {
    const { tracer } = rulesOf(sticky, both, { chances: [1, 0, 0, 0] })
    const first = tracer.forward(to(clusterIp, 80, '10.244.1.99')).daddr
    expect(first).toBe(podThere)
    expect(tracer.forward(to(clusterIp, 80, '10.244.1.99')).daddr).toBe(first)
    expect(tracer.forward(to('198.51.100.1', 80, '10.244.1.99')).daddr).toBe(first)
    expect(tracer.forward(to(clusterIp, 80, '10.244.1.98')).daddr).toBe(podHere)
  })

  test('has its time from the service, and is forgotten with the endpoint', () => {
    const config = { clientIP: { timeoutSeconds: 60 } }
    const { ruleset } = rulesOf(service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config }), both)
    const sets = () => [...ruleset.view.containers].filter(([name]) => name.startsWith('clients-'))
    expect(sets().map(([, set]) => set.declaration)).toEqual(
      Array.from({ length: 2 }, () => expect.stringContaining('timeout 60s')),
    )
    const fewer = serviceContribution(
      service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config }),
      [slice([endpoint(podHere)])],
      { nodeName: 'here', zone: '', family: ipv4 },
    )
    ruleset.set('service', fewer)
    expect(sets()).toHaveLength(1)
  })
})

test('pod egress is masqueraded outside the cluster only', () => {
  const { tracer } = rulesOf(service(), both)
  expect(tracer.forward(to('1.1.1.1', 443, podHere)).masqueraded).toBe(true)
  expect(tracer.forward(to(podThere, 443, podHere)).masqueraded).toBe(false)
  expect(tracer.forward(to('1.1.1.1', 443, podThere)).masqueraded).toBe(false)
})

test('host ports lead to the pod, on all addresses or on one', () => {
  const { ruleset, tracer } = rulesOf(service(), both)
  const port = { podIp: podHere, containerPort: 8080, protocol: 'TCP' }
  ruleset.set(
    '2/pod',
    hostPortContribution(
      [
        { ...port, hostPort: 8088 },
        { ...port, hostPort: 8089, hostIp: nodeIp },
      ],
      ipv4,
    ),
  )
  expect(tracer.forward(to(nodeIp, 8088, outside))).toMatchObject({ daddr: podHere, dport: 8080, masqueraded: false })
  expect(tracer.forward(to('10.244.1.1', 8088, podThere)).daddr).toBe(podHere)
  expect(tracer.forward(to(nodeIp, 8089, outside)).daddr).toBe(podHere)
  expect(tracer.forward(to('10.244.1.1', 8089, podThere)).daddr).toBe('10.244.1.1')
  expect(tracer.forward(to(nodeIp, 8088, podHere)).masqueraded).toBe(true)
})

test('host ports answer at 127.0.0.1 too, which pods cannot use for what else listens there', () => {
  const { ruleset, tracer } = rulesOf(service(), both)
  const port = { podIp: podHere, containerPort: 8080, protocol: 'TCP' }
  ruleset.set(
    '2/pod',
    hostPortContribution(
      [
        { ...port, hostPort: 8088 },
        { ...port, hostPort: 8089, hostIp: '127.0.0.1' },
      ],
      ipv4,
    ),
  )
  for (const saddr of ['127.0.0.1', nodeIp]) {
    for (const dport of [8088, 8089]) {
      const traced = tracer.send(to('127.0.0.1', dport, saddr))
      expect(traced).toMatchObject({ daddr: podHere, dport: 8080, masqueraded: saddr === '127.0.0.1' })
    }
  }
  expect(tracer.forward(to(nodeIp, 8089, outside)).daddr).toBe(nodeIp)
  expect(tracer.send(to('127.0.0.1', 631, '127.0.0.1'))).toMatchObject({ outcome: 'accept', daddr: '127.0.0.1' })
  expect(tracer.forward({ ...to('127.0.0.1', 631, podHere), from: 'stormo0' }).outcome).toBe('drop')
})

test('a pinned tuple leads to the node itself, before a service of the same address', () => {
  const { ruleset, tracer } = rulesOf(service(), both)
  const dns = { address: '10.244.1.1', port: 53 }
  ruleset.set('0/pinned', pinnedContribution([{ ip: clusterIp, proto: 'tcp', port: 80, to: dns }]))
  expect(tracer.forward(to(clusterIp, 80, podHere))).toMatchObject({
    outcome: 'accept',
    daddr: '10.244.1.1',
    dport: 53,
  })
})

test('a further range of cluster IPs is one as the first is, while it is there', () => {
  const further = '203.0.113.10'
  const { ruleset, tracer } = rulesOf(service({ clusterIP: further, clusterIPs: [further] }), [endpoint(podThere)])
  const add = (...found: string[]) => ruleset.set('ranges', furtherRangesContribution(found, ranges, ipv4))
  expect(tracer.forward(to(further, 80, outside)).masqueraded).toBe(false)
  expect(tracer.forward(to('203.0.113.11', 80, podHere)).outcome).toBe('accept')
  add('203.0.113.0/24', '10.96.0.0/16', 'fd00::/112')
  expect(tracer.forward(to(further, 80, outside)).masqueraded).toBe(true)
  expect(tracer.forward(to(further, 80, podHere)).masqueraded).toBe(false)
  expect(tracer.forward(to('203.0.113.11', 80, podHere)).outcome).toBe('reject')
  add()
  expect(tracer.forward(to('203.0.113.11', 80, podHere)).outcome).toBe('accept')
})
