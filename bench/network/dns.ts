import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { refs } from '../../src/client/client.ts'
import { fakeInformers } from '../../src/client/fake-informers.ts'
import { systemClock, systemRandom } from '../../src/lib/system.ts'
import { createDnsServer } from '../../src/network/dns/dns-server.ts'
import { createForwarder } from '../../src/network/dns/forwarder.ts'
import { createZoneView } from '../../src/network/dns/zone-view.ts'
import packet from 'dns-packet'
import type { BenchOptions, Row } from '../bench.ts'
import { load } from '../support/load.ts'
import { nullLogger } from '../support/null-logger.ts'

const port = 15_353
const address = '127.0.0.1'
const outstanding = 64
/** What CoreDNS reports of itself on two processors: https://coredns.io/2018/11/15/scaling-coredns-in-kubernetes-clusters/ */
const coreDnsPerSecond = 33_669

/** Queries for a service's name, asked and answered by one process: the server has half of what is measured. */
export async function measureDns({ durationMs, signal, progress }: BenchOptions): Promise<Row[]> {
  progress('DNS')
  const informers = fakeInformers()
  informers.put(refs.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: '10.96.0.50', clusterIPs: ['10.96.0.50'], ports: [{ port: 80 }] },
  } as never)
  const view = createZoneView(informers)
  const base = { clock: systemClock, random: systemRandom }
  const forwarder = createForwarder({ ...base, upstreams: [] })
  const config = { domain: 'cluster.local', ownsAddress: () => false }
  const server = createDnsServer({ ...base, address, port, view, forwarder, config, logger: nullLogger })
  await server.start()
  const socket = createSocket('udp4')
  const waiting = new Map<number, () => void>()
  socket.on('message', (message) => waiting.get(message.readUInt16BE(0))?.())
  try {
    socket.bind(0, address)
    await once(socket, 'listening')
    const query = packet.encode({
      type: 'query',
      flags: packet.RECURSION_DESIRED,
      questions: [{ type: 'A', name: 'web.default.svc.cluster.local' }],
    })
    const { perSecond, p50Ms, p99Ms } = await load(
      { workers: outstanding, durationMs, signal },
      (_number, worker) =>
        new Promise<void>((resolve) => {
          waiting.set(worker, resolve)
          const mine = Buffer.from(query)
          mine.writeUInt16BE(worker, 0)
          socket.send(mine, port, address)
        }),
    )
    const against = { what: 'CoreDNS as reported, 2 vCPU', value: coreDnsPerSecond }
    return [{ what: 'DNS, queries for a service', value: perSecond, unit: '/s', p50Ms, p99Ms, against }]
  } finally {
    socket.close()
    await server.stop()
    view.close()
    forwarder.close()
  }
}
