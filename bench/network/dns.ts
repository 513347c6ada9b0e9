import { refs } from '../../src/client/client.ts'
import { fakeInformers } from '../../src/client/fake-informers.ts'
import { execOk } from '../../src/lib/exec.ts'
import { systemClock, systemRandom } from '../../src/lib/system.ts'
import { createDnsServer } from '../../src/network/dns/dns-server.ts'
import { createForwarder } from '../../src/network/dns/forwarder.ts'
import { createZoneView } from '../../src/network/dns/zone-view.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { nullLogger } from '../support/null-logger.ts'
import type { DnsFigures } from './dns-client.ts'
import { programLine } from './program.ts'

const port = 15_353
const address = '127.0.0.1'
/** What CoreDNS reports of itself on two processors: https://coredns.io/2018/11/15/scaling-coredns-in-kubernetes-clusters/ */
const coreDnsPerSecond = 33_669

/** Queries for services' names, asked by a process of its own. A core's worth is what the server's CPU time says. */
export async function measureDns({ durationMs, signal, progress }: BenchOptions): Promise<Row[]> {
  progress('DNS')
  const informers = fakeInformers()
  informers.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } } as never)
  for (let index = 0; index < 1_000; index++) {
    const clusterIP = `10.96.${index >> 8}.${index & 255}`
    informers.put(refs.services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `web-${index}`, namespace: 'default' },
      spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] },
    } as never)
  }
  const view = createZoneView(informers)
  const base = { clock: systemClock, random: systemRandom }
  const forwarder = createForwarder({ ...base, upstreams: [] })
  const config = { domain: 'cluster.local', ownsAddress: () => false }
  const server = createDnsServer({ ...base, address, port, view, forwarder, config, logger: nullLogger })
  await server.start()
  try {
    const before = process.cpuUsage()
    const { answers, durationMs: tookMs, p50Ms, p99Ms } = await ask(durationMs, signal)
    const { user, system } = process.cpuUsage(before)
    const against = { what: 'CoreDNS as reported, 2 vCPU', value: coreDnsPerSecond }
    return [
      { what: 'DNS, queries for services', value: (answers * 1_000) / tookMs, unit: '/s', p50Ms, p99Ms, against },
      { what: 'DNS, queries a core', value: (answers * 1e6) / (user + system), unit: '/s', against },
    ]
  } finally {
    await server.stop()
    view.close()
    forwarder.close()
  }
}

async function ask(durationMs: number, signal: AbortSignal): Promise<DnsFigures> {
  const [program = '', ...args] = programLine('dns-client', address, String(port), String(durationMs))
  return JSON.parse(await execOk(program, args, { signal })) as DnsFigures
}
