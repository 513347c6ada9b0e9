import { describe, expect, test } from 'vitest'
import type { EndpointSlice, Service, ServiceSpec } from '../../api/kinds.ts'
import { createFakeInformers } from '../../../test/support/fake-informers.ts'
import { refs } from '../../client/client.ts'
import { resolve } from './resolve.ts'
import { createZoneView } from './zone-view.ts'

const config = { domain: 'cluster.local', ownsAddress: (ip: string) => ip.startsWith('10.') }

const service = (name: string, spec: ServiceSpec): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec,
})

const slice = (owner: string, endpoints: EndpointSlice['endpoints']): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${owner}-x`, namespace: 'default', labels: { 'kubernetes.io/service-name': owner } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints,
})

function setUp() {
  const informers = createFakeInformers()
  informers.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
  const http = [{ name: 'http', port: 80, protocol: 'TCP' }]
  informers.put(
    refs.services,
    service('web', { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'fd00::7'], ports: http }),
  )
  informers.put(refs.services, service('db', { clusterIP: 'None', ports: http }))
  informers.put(refs.services, service('empty', { clusterIP: 'None', ports: http }))
  informers.put(refs.services, service('out', { type: 'ExternalName', externalName: 'www.example.org.' }))
  informers.put(
    refs.endpointSlices,
    slice('db', [
      { addresses: ['10.244.1.5'], hostname: 'db-0' },
      { addresses: ['10.244.2.6'] },
      { addresses: ['10.244.2.7'], hostname: 'db-2', conditions: { ready: false } },
    ]),
  )
  const view = createZoneView(informers)
  return { informers, ask: (name: string, type = 'A') => resolve({ name, type }, view, config) }
}

function dataOf(answer: ReturnType<typeof resolve>): unknown[] {
  if (answer.kind === 'forward') return ['forward']
  return answer.answers.map((record) => record.data)
}
const outcome = (answer: ReturnType<typeof resolve>) =>
  answer.kind === 'answer'
    ? `${answer.rcode} ${answer.answers.length} ${answer.authorities[0]?.type ?? ''}`.trim()
    : answer.kind

describe('services', () => {
  test('A and AAAA are the cluster IPs of each family, in any case and with a final dot', () => {
    const { ask } = setUp()
    expect(dataOf(ask('web.default.svc.cluster.local'))).toEqual(['10.96.0.7'])
    expect(dataOf(ask('web.default.svc.cluster.local', 'AAAA'))).toEqual(['fd00::7'])
    const asked = ask('Web.Default.svc.Cluster.local.')
    expect(asked).toMatchObject({ answers: [{ name: 'Web.Default.svc.Cluster.local.', data: '10.96.0.7' }] })
  })

  test('SRV names port and target, with the target’s addresses beside it', () => {
    const answer = setUp().ask('_http._tcp.web.default.svc.cluster.local', 'SRV')
    expect(answer).toMatchObject({
      answers: [{ data: { priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' } }],
      additionals: [
        { type: 'A', data: '10.96.0.7' },
        { type: 'AAAA', data: 'fd00::7' },
      ],
    })
    expect(outcome(setUp().ask('_http._udp.web.default.svc.cluster.local', 'SRV'))).toBe('NXDOMAIN 0 SOA')
  })

  test('ExternalName is an alias that is followed, and itself for CNAME', () => {
    const { ask } = setUp()
    expect(ask('out.default.svc.cluster.local')).toMatchObject({ kind: 'alias', target: 'www.example.org' })
    expect(dataOf(ask('out.default.svc.cluster.local', 'CNAME'))).toEqual(['www.example.org'])
  })
})

describe('headless services', () => {
  test('A is every ready endpoint', () => {
    expect(dataOf(setUp().ask('db.default.svc.cluster.local'))).toEqual(['10.244.1.5', '10.244.2.6'])
  })

  test('each endpoint has a name, by hostname or by address', () => {
    const { ask } = setUp()
    expect(dataOf(ask('db-0.db.default.svc.cluster.local'))).toEqual(['10.244.1.5'])
    expect(dataOf(ask('10-244-2-6.db.default.svc.cluster.local'))).toEqual(['10.244.2.6'])
    expect(outcome(ask('db-2.db.default.svc.cluster.local'))).toBe('NXDOMAIN 0 SOA')
  })

  test('SRV leads to the endpoints’ names and ports', () => {
    const answer = setUp().ask('_http._tcp.db.default.svc.cluster.local', 'SRV')
    expect(dataOf(answer)).toEqual([
      { priority: 0, weight: 50, port: 8080, target: 'db-0.db.default.svc.cluster.local' },
      { priority: 0, weight: 50, port: 8080, target: '10-244-2-6.db.default.svc.cluster.local' },
    ])
  })

  test('SRV of the service itself is all of its servers, and nothing where there are none', () => {
    const { ask } = setUp()
    expect(dataOf(ask('db.default.svc.cluster.local', 'SRV'))).toEqual(
      dataOf(ask('_http._tcp.db.default.svc.cluster.local', 'SRV')),
    )
    expect(outcome(ask('empty.default.svc.cluster.local', 'SRV'))).toBe('NOERROR 0 SOA')
  })

  test('without endpoints the name exists but has no address', () => {
    expect(outcome(setUp().ask('empty.default.svc.cluster.local'))).toBe('NOERROR 0 SOA')
  })

  test('an answer follows the endpoints as they change', () => {
    const { informers, ask } = setUp()
    informers.put(refs.endpointSlices, slice('db', [{ addresses: ['10.244.9.9'], hostname: 'db-9' }]))
    expect(dataOf(ask('db.default.svc.cluster.local'))).toEqual(['10.244.9.9'])
    expect(outcome(ask('5.1.244.10.in-addr.arpa', 'PTR'))).toBe('NXDOMAIN 0 SOA')
    informers.remove(refs.endpointSlices, 'default', 'db-x')
    expect(outcome(ask('db.default.svc.cluster.local'))).toBe('NOERROR 0 SOA')
  })
})

describe('reverse names', () => {
  test('of cluster IPs and of endpoints of headless services', () => {
    const { ask } = setUp()
    expect(dataOf(ask('7.0.96.10.in-addr.arpa', 'PTR'))).toEqual(['web.default.svc.cluster.local'])
    const six = `7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`
    expect(dataOf(ask(six, 'PTR'))).toEqual(['web.default.svc.cluster.local'])
    expect(dataOf(ask('5.1.244.10.in-addr.arpa', 'PTR'))).toEqual(['db-0.db.default.svc.cluster.local'])
  })

  test('unknown ones are denied inside the cluster and forwarded outside', () => {
    const { ask } = setUp()
    expect(outcome(ask('9.9.9.10.in-addr.arpa', 'PTR'))).toBe('NXDOMAIN 0 SOA')
    expect(outcome(ask('1.1.1.1.in-addr.arpa', 'PTR'))).toBe('forward')
  })
})

test.each([
  ['cluster.local', 'SOA', 'NOERROR 1'],
  ['cluster.local', 'A', 'NOERROR 0 SOA'],
  ['svc.cluster.local', 'A', 'NOERROR 0 SOA'],
  ['default.svc.cluster.local', 'A', 'NOERROR 0 SOA'],
  ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN 0 SOA'],
  ['web.nowhere.svc.cluster.local', 'A', 'NXDOMAIN 0 SOA'],
  ['nothing.default.svc.cluster.local', 'A', 'NXDOMAIN 0 SOA'],
  ['web.default.svc.cluster.local', 'TXT', 'NOERROR 0 SOA'],
  ['10-244-1-5.default.pod.cluster.local', 'A', 'NOERROR 1'],
  ['10-244-1-5.nowhere.pod.cluster.local', 'A', 'NXDOMAIN 0 SOA'],
  ['300-1-1-1.default.pod.cluster.local', 'A', 'NXDOMAIN 0 SOA'],
  ['dns-version.cluster.local', 'TXT', 'NOERROR 1'],
  ['example.org', 'A', 'forward'],
  ['notcluster.local', 'A', 'forward'],
])('%s %s: %s', (name, type, expected) => {
  expect(outcome(setUp().ask(name, type))).toBe(expected)
})
