import { createSocket } from 'node:dgram'
import { connect, isIP } from 'node:net'
import dnsPacket, { type DecodedPacket, type Packet } from 'dns-packet'
import { afterEach, expect, test } from 'vitest'
import { createFakeInformers, type FakeInformers } from '../../../test/support/fake-informers.ts'
import type { EndpointSlice } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { createDnsServer } from './dns-server.ts'
import { createForwarder, rcodeOf, upstreamsOf, type Upstream } from './forwarder.ts'
import { createZoneView } from './zone-view.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function startServer(
  domain: string,
  upstreams: Upstream[] = [],
  informers: FakeInformers = createFakeInformers(),
  stubs: Record<string, Upstream[]> = {},
  address = '127.0.0.1',
) {
  const forwarder = createForwarder({ upstreams, clock: systemClock, random: systemRandom })
  forwarder.follow({ stubDomains: new Map(Object.entries(stubs)) })
  const server = createDnsServer({
    address,
    port: 0,
    view: createZoneView(informers),
    config: { domain, ownsAddress: () => false },
    forwarder,
    random: systemRandom,
    clock: systemClock,
    logger: silentLogger,
  })
  await server.start()
  cleanups.push(
    () => server.stop(),
    () => forwarder.close(),
  )
  return server.port()
}

/** A cluster with one headless service of so many endpoints. */
function clusterOf(count: number): FakeInformers {
  const informers = createFakeInformers()
  informers.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
  const metadata = { name: 'db', namespace: 'default' }
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: 'None' } }
  informers.put(refs.services, service)
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    endpoints: Array.from({ length: count }, (_, index) => ({ addresses: [`10.244.${index >> 8}.${index & 255}`] })),
  }
  informers.put(refs.endpointSlices, slice)
  return informers
}

function query(name: string, type: 'A' | 'SOA' = 'A', udpSize?: number): Packet {
  return {
    type: 'query',
    id: 77,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals:
      udpSize === undefined
        ? []
        : [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: udpSize,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
  }
}

function askUdp(port: number, message: Buffer, address = '127.0.0.1'): Promise<DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
    socket.on('error', reject)
    socket.on('message', (data) => {
      socket.close()
      resolve(dnsPacket.decode(data))
    })
    socket.send(message, port, address)
  })
}

function askTcp(port: number, messages: Packet[]): Promise<DecodedPacket[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let gathered = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('connect', () => socket.end(Buffer.concat(messages.map((one) => dnsPacket.streamEncode(one)))))
    socket.on('data', (chunk) => (gathered = Buffer.concat([gathered, chunk])))
    socket.on('end', () => {
      const answers: DecodedPacket[] = []
      while (gathered.length > 2) {
        const end = 2 + gathered.readUInt16BE(0)
        answers.push(dnsPacket.decode(gathered.subarray(2, end)))
        gathered = gathered.subarray(end)
      }
      resolve(answers)
    })
  })
}

const name = 'db.default.svc.cluster.local'

test('answers by UDP with the question’s id, authoritative', async () => {
  const port = await startServer('cluster.local', [], clusterOf(2))
  const answer = await askUdp(port, dnsPacket.encode(query(name)))
  expect(answer).toMatchObject({ id: 77, type: 'response', flag_aa: true, flag_ra: true, flag_rd: true })
  expect(answer.answers?.map((one) => ('data' in one ? one.data : '')).toSorted()).toEqual(['10.244.0.0', '10.244.0.1'])
})

test('answers at an address of IPv6 as well', async () => {
  const port = await startServer('cluster.local', [], clusterOf(2), {}, '::1')
  expect((await askUdp(port, dnsPacket.encode(query(name)), '::1')).answers).toHaveLength(2)
})

test('what does not fit is truncated by UDP, fits with a larger EDNS size, and is whole by TCP', async () => {
  const port = await startServer('cluster.local', [], clusterOf(40))
  const plain = await askUdp(port, dnsPacket.encode(query(name)))
  expect(plain.flag_tc).toBe(true)
  expect(plain.answers).toEqual([])
  const large = await askUdp(port, dnsPacket.encode(query(name, 'A', 4_096)))
  expect(large.flag_tc).toBe(false)
  expect(large.answers).toHaveLength(40)
  const [whole, second] = await askTcp(port, [query(name), query('cluster.local', 'SOA')])
  expect(whole?.answers).toHaveLength(40)
  expect(second?.answers).toHaveLength(1)
})

test('without an upstream a foreign name is denied at once, with a dead one it fails', async () => {
  const alone = await startServer('cluster.local')
  expect(rcodeOf(await askUdp(alone, dnsPacket.encode(query('example.org'))))).toBe('NXDOMAIN')
  const orphan = await startServer('cluster.local', [{ address: '127.0.0.1', port: 1 }])
  expect(rcodeOf(await askUdp(orphan, dnsPacket.encode(query('example.org'))))).toBe('SERVFAIL')
})

test('foreign names are asked upstream, also large ones, and an alias brings its target', async () => {
  const upstream = await startServer('other.local', [], clusterOf(60))
  const informers = clusterOf(1)
  informers.put(refs.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'out', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: 'db.default.svc.other.local' },
  } as never)
  const port = await startServer('cluster.local', [{ address: '127.0.0.1', port: upstream }], informers)
  const [foreign] = await askTcp(port, [query('db.default.svc.other.local')])
  expect(foreign?.answers).toHaveLength(60)
  expect(foreign?.flag_aa).toBe(false)
  const [alias] = await askTcp(port, [query('out.default.svc.cluster.local')])
  expect(alias?.answers?.map((one) => one.type)).toEqual(['CNAME', ...Array.from({ length: 60 }, () => 'A')])
})

test('aliases of aliases are followed to the end, and not round and round', async () => {
  const informers = clusterOf(1)
  const alias = (name: string, externalName: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'ExternalName', externalName },
  })
  informers.put(refs.services, alias('far', 'near.default.svc.cluster.local'))
  informers.put(refs.services, alias('near', 'db.default.svc.cluster.local'))
  informers.put(refs.services, alias('round', 'round.default.svc.cluster.local'))
  const port = await startServer('cluster.local', [], informers)
  const [far] = await askTcp(port, [query('far.default.svc.cluster.local')])
  expect(far?.answers).toMatchObject([
    { type: 'CNAME', data: 'near.default.svc.cluster.local' },
    { type: 'CNAME', data: 'db.default.svc.cluster.local' },
    { type: 'A', data: '10.244.0.0' },
  ])
  const [round] = await askTcp(port, [query('round.default.svc.cluster.local')])
  expect(round?.answers?.every((one) => one.type === 'CNAME')).toBe(true)
})

test('names of a stub domain are asked of its own servers', async () => {
  const stub = await startServer('acme.example', [], clusterOf(2))
  const stubs = { 'acme.example': [{ address: '127.0.0.1', port: stub }] }
  const port = await startServer('cluster.local', [{ address: '127.0.0.1', port: 1 }], clusterOf(1), stubs)
  const found = await askUdp(port, dnsPacket.encode(query('db.default.svc.acme.example')))
  expect(found.answers).toHaveLength(2)
  expect(rcodeOf(await askUdp(port, dnsPacket.encode(query('example.org'))))).toBe('SERVFAIL')
})

test('what cannot be read gets FORMERR, an answer gets nothing', async () => {
  const port = await startServer('cluster.local')
  const broken = dnsPacket.encode(query(name)).subarray(0, 20)
  expect(rcodeOf(await askUdp(port, broken))).toBe('FORMERR')
  const response = dnsPacket.encode({ ...query(name), type: 'response' })
  const [first] = await Promise.all([askUdp(port, Buffer.concat([dnsPacket.encode(query(name))])), askTcp(port, [])])
  expect(first.id).toBe(77)
  expect(await askTcp(port, [dnsPacket.decode(response)])).toEqual([])
})

test('upstreams are read from resolv.conf, without ourselves and at most three', () => {
  const text = '# x\nsearch a b\nnameserver 10.0.0.2\nnameserver 10.244.1.1\nnameserver 10.0.0.3\nnameserver 10.0.0.2\n'
  expect(upstreamsOf(text, ['10.244.1.1'])).toEqual([
    { address: '10.0.0.2', port: 53 },
    { address: '10.0.0.3', port: 53 },
  ])
})
