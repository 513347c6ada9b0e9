import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { createTracer, type Packet } from '../../../test/support/packet-trace.ts'
import type { EndpointSlice, Service, ServiceSpec } from '../../api/kinds.ts'
import { ipv4, ipv6 } from '../family.ts'
import { hostPortContribution, serviceContribution } from './frontends.ts'
import { createRuleset } from './ruleset.ts'
import { fixedChains, fixedContainers } from './skeleton.ts'

const ranges = { clusterCidr: 'fd00:10:244::/56', podCidr: 'fd00:10:244:1::/64', serviceCidr: 'fd00:10:96::/112' }
const nodeIp = '2001:db8::1'
const outside = '2001:db8:ffff::9'
const podHere = 'fd00:10:244:1::a'
const podThere = 'fd00:10:244:2::14'
const clusterIp = 'fd00:10:96::32'

/** A service of both families, which somebody wrote in another form than the kernel prints. */
const service = (spec: Partial<ServiceSpec> = {}, status: Service['status'] = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.50',
    clusterIPs: ['10.96.0.50', 'FD00:0010:0096:0:0:0:0:0032'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'PreferDualStack',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    ...spec,
  },
  status,
})

const slice = (addressType: string, addresses: string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `web-${addressType}`, namespace: 'default' },
  addressType,
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: addresses.map((one) => ({ addresses: [one], nodeName: one === podHere ? 'here' : 'there' })),
})
const slices = [slice('IPv4', ['10.244.1.10']), slice('IPv6', [podHere, podThere])]

function rulesOf(subject: Service, list = slices, chances: number[] = [0]) {
  const ruleset = createRuleset({
    family: ipv6,
    table: 'stormo',
    mark: 0x4000,
    chains: fixedChains(ranges, ipv6),
    containers: fixedContainers(ipv6),
  })
  ruleset.set('service', serviceContribution(subject, list, { nodeName: 'here', zone: '', family: ipv6 }))
  let turn = 0
  const choose = (bound: number): number => (chances[turn++ % chances.length] ?? 0) % bound
  return { ruleset, tracer: createTracer(ruleset.view, { local: [nodeIp, 'fd00:10:244:1::1'], choose }) }
}

const to = (daddr: string, dport: number, saddr: string): Packet => ({ saddr, daddr, dport, proto: 'tcp' })

test('a pod reaches every endpoint of its family at the cluster IP, with its own address', () => {
  const { tracer } = rulesOf(service(), slices, [0, 1])
  const from = 'fd00:10:244:3::7'
  const reached = [1, 2].map(() => tracer.forward(to(clusterIp, 80, from)))
  expect(reached.map((one) => one.daddr)).toEqual([podHere, podThere])
  expect(reached).toMatchObject([
    { dport: 8080, masqueraded: false },
    { dport: 8080, masqueraded: false },
  ])
})

test('clients outside and a pod that meets itself are masqueraded; egress is so outside the cluster', () => {
  const { tracer } = rulesOf(service())
  expect(tracer.forward(to(clusterIp, 80, outside)).masqueraded).toBe(true)
  expect(tracer.forward(to(clusterIp, 80, podHere))).toMatchObject({ daddr: podHere, masqueraded: true })
  expect(tracer.forward(to('2001:db8:1::1', 443, podHere)).masqueraded).toBe(true)
  expect(tracer.forward(to(podThere, 443, podHere)).masqueraded).toBe(false)
  expect(tracer.forward(to('ff02::fb', 5353, podHere)).masqueraded).toBe(false)
})

test('no endpoint, an unknown port and an unknown address of the range are rejected', () => {
  const { tracer } = rulesOf(service(), [slices[0]!])
  for (const packet of [to(clusterIp, 80, podHere), to(clusterIp, 81, podHere), to('fd00:10:96::ffff', 80, podHere)])
    expect(tracer.forward(packet).outcome).toBe('reject')
})

test('node ports, balancers and their source ranges', () => {
  const ingress = [{ ip: '192.0.2.7' }, { ip: '2001:db8:7::7' }]
  const { tracer } = rulesOf(
    service(
      {
        type: 'LoadBalancer',
        ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 }],
        loadBalancerSourceRanges: ['203.0.113.0/24', '2001:db8:ffff::/48', '2001:db8:ffff:1::/64'],
      },
      { loadBalancer: { ingress } },
    ),
  )
  expect(tracer.forward(to(nodeIp, 30_080, outside))).toMatchObject({ daddr: podHere, masqueraded: true })
  expect(tracer.send(to('::1', 30_080, '::1')).daddr).toBe('::1')
  expect(tracer.forward(to('2001:db8:7::7', 80, outside)).daddr).toBe(podHere)
  expect(tracer.forward(to('2001:db8:7::7', 80, '2001:db8:eeee::1')).outcome).toBe('drop')
})

test('session affinity and externalTrafficPolicy Local', () => {
  const sticky = rulesOf(service({ sessionAffinity: 'ClientIP' }), slices, [1, 0])
  const reached = [1, 2, 3].map(() => sticky.tracer.forward(to(clusterIp, 80, outside)).daddr)
  expect(reached).toEqual([podThere, podThere, podThere])
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 }]
  const local = rulesOf(service({ type: 'NodePort', externalTrafficPolicy: 'Local', ports }), slices, [1])
  expect(local.tracer.forward(to(nodeIp, 30_080, outside))).toMatchObject({ daddr: podHere, masqueraded: false })
})

test('host ports are those of the family, and leave ::1 alone', () => {
  const { ruleset, tracer } = rulesOf(service())
  const port = { podIp: podHere, containerPort: 8080, protocol: 'TCP' }
  const ports = [
    { ...port, hostPort: 8088 },
    { ...port, hostPort: 8089, hostIp: '2001:DB8::1' },
    { ...port, hostPort: 8090, hostIp: '192.0.2.1' },
  ]
  ruleset.set('2/pod', hostPortContribution(ports, ipv6))
  const reached = [8088, 8089, 8090].map((one) => tracer.forward(to(nodeIp, one, outside)).daddr)
  expect(reached).toEqual([podHere, podHere, nodeIp])
  expect(tracer.send(to('::1', 8088, '::1')).daddr).toBe('::1')
})

const inNamespace = (input: string) =>
  spawnSync('unshare', ['--net', 'sh', '-c', 'nft -f -'], { input, encoding: 'utf8' })
const hasKernel = inNamespace('add table ip6 trial\n').status === 0

test.runIf(hasKernel).each([ipv4, ipv6])('the kernel takes what is written for $apiName', (family) => {
  const own =
    family.name === 'ip'
      ? { clusterCidr: '10.244.0.0/16', podCidr: '10.244.1.0/24', serviceCidr: '10.96.0.0/12' }
      : ranges
  const ruleset = createRuleset({
    family,
    table: 't',
    mark: 1,
    chains: fixedChains({ ...own, bridge: 'br' }, family),
    containers: fixedContainers(family),
  })
  const node = { nodeName: 'here', zone: '', family }
  const ingress = [{ ip: '192.0.2.7' }, { ip: '2001:db8:7::7' }]
  const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['::/0', '10.0.0.0/8'] }
  const ports = [{ name: 'http', port: 81, protocol: 'TCP', nodePort: 30_080 }]
  ruleset.set('a', serviceContribution(service(spec, { loadBalancer: { ingress } }), slices, node))
  ruleset.set('b', serviceContribution(service({ sessionAffinity: 'ClientIP', ports }), slices, node))
  const { status, stderr } = inNamespace(ruleset.takeAll())
  expect([status, stderr]).toEqual([0, ''])
})
