import dnsPacket, { type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFakeInformers } from '../../../test/support/fake-informers.ts'
import { refs } from '../../client/client.ts'
import { systemRandom } from '../../lib/system.ts'
import { createAnswerCache, readQuery } from './answer-cache.ts'
import { answerMessage } from './answering.ts'
import { createForwarder } from './forwarder.ts'
import { createZoneView } from './zone-view.ts'
import { systemClock } from '../../lib/system.ts'

const service = (name: string, clusterIP: string, namespace = 'default') =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { clusterIP, clusterIPs: [clusterIP] },
  }) as never

function setUp() {
  const informers = createFakeInformers()
  for (const name of ['default', 'other'])
    informers.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  informers.put(refs.services, service('web', '10.96.0.7'))
  const view = createZoneView(informers)
  const cache = createAnswerCache(view, 'cluster.local', systemRandom)
  const forwarder = createForwarder({ upstreams: [], clock: systemClock, random: systemRandom })
  const config = { domain: 'cluster.local', ownsAddress: () => true }
  const options = { view, config, forwarder, random: systemRandom, cache }
  /** The answer, and whether it was known. */
  async function ask(message: Buffer) {
    const key = readQuery(message)
    const known = key && cache.find(key, message)
    return { known: known !== undefined, answer: known ?? (await answerMessage(message, 'udp', options, key)) }
  }
  return { informers, ask }
}

const query = (name: string, more: Partial<Packet> = {}, type = 'A'): Buffer =>
  dnsPacket.encode({
    type: 'query',
    id: 7,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: type as 'A', class: 'IN' }],
    ...more,
  })
const edns = (udpPayloadSize: number): Partial<Packet> => ({
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
})
const addressOf = (answer: Buffer | undefined): string[] =>
  (answer ? (dnsPacket.decode(answer).answers ?? []) : []).flatMap((one) => (one.type === 'A' ? [one.data] : []))
const name = 'web.default.svc.cluster.local'

describe('a known answer', () => {
  test('is given with the id and the letters of the asker', async () => {
    const { ask } = setUp()
    expect((await ask(query(name))).known).toBe(false)
    const { known, answer } = await ask(query('WEB.default.svc.Cluster.local', { id: 4_711 }))
    expect(known).toBe(true)
    expect(dnsPacket.decode(answer!)).toMatchObject({
      id: 4_711,
      flag_aa: true,
      questions: [{ name: 'WEB.default.svc.Cluster.local' }],
      answers: [{ name: 'WEB.default.svc.Cluster.local', data: '10.96.0.7' }],
    })
  })

  test('holds until something of its namespace changes', async () => {
    const { ask, informers } = setUp()
    await ask(query(name))
    informers.put(refs.services, service('web', '10.96.0.8', 'other'))
    expect((await ask(query(name))).known).toBe(true)
    informers.put(refs.services, service('web', '10.96.0.9'))
    const changed = await ask(query(name))
    expect(changed.known).toBe(false)
    expect(addressOf(changed.answer)).toEqual(['10.96.0.9'])
    informers.remove(refs.services, 'default', 'web')
    expect(addressOf((await ask(query(name))).answer)).toEqual([])
  })

  test('of a reverse name holds until anything changes', async () => {
    const { ask, informers } = setUp()
    const reverse = query('7.0.96.10.in-addr.arpa', {}, 'PTR')
    await ask(reverse)
    expect((await ask(reverse)).known).toBe(true)
    informers.put(refs.services, service('another', '10.96.0.10', 'other'))
    expect((await ask(reverse)).known).toBe(false)
  })

  test('comes in every order', async () => {
    const { ask, informers } = setUp()
    informers.put(refs.services, service('many', 'None'))
    informers.put(refs.endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'many-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'many' } },
      addressType: 'IPv4',
      endpoints: ['10.244.0.1', '10.244.0.2', '10.244.0.3'].map((one) => ({ addresses: [one] })),
    } as never)
    const firsts = new Set<string | undefined>()
    let known = false
    for (let turn = 0; turn < 200; turn++) {
      const found = await ask(query('many.default.svc.cluster.local'))
      known = found.known
      expect(addressOf(found.answer).toSorted()).toEqual(['10.244.0.1', '10.244.0.2', '10.244.0.3'])
      firsts.add(addressOf(found.answer)[0])
    }
    expect(firsts.size).toBe(3)
    expect(known).toBe(true)
  })

  test('is another one for another size, type or flag', async () => {
    const { ask } = setUp()
    await ask(query(name))
    for (const other of [query(name, edns(4_096)), query(name, {}, 'AAAA'), query(name, { flags: 0 })]) {
      const first = await ask(other)
      const second = await ask(other)
      expect([first.known, second.known]).toEqual([false, true])
      expect(second.answer).toEqual(first.answer)
    }
  })
})

test('types whose numbers are letters do not meet', () => {
  const [a, b] = [query(name), query(name)]
  const end = a.length - 4
  a.writeUInt16BE(0x41, end)
  b.writeUInt16BE(0x61, end)
  expect(readQuery(a)?.text).not.toBe(readQuery(b)?.text)
})

test('no message makes the reader fail, and what it reads the decoder reads too', () => {
  const bytes = fc.uint8Array({ maxLength: 80 }).map((one) => Buffer.from(one))
  const cut = fc.nat(60).map((length) => query(name, edns(1_232)).subarray(0, length))
  fc.assert(
    fc.property(fc.oneof(bytes, cut), (message) => {
      if (readQuery(message)) expect(dnsPacket.decode(message).questions).toHaveLength(1)
    }),
  )
})
