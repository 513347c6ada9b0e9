import type { EndpointSlice, Service } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import { fakeInformers } from '../../src/client/fake-informers.ts'
import { exec, execOk } from '../../src/lib/exec.ts'
import { nullLogger } from '../support/null-logger.ts'
import { systemClock } from '../../src/lib/system.ts'
import { createServiceProxy } from '../../src/network/proxy/service-proxy.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { percentile } from '../support/statistics.ts'

const endpointsPerService = 3
const sizes = [100, 1_000, 10_000, 30_000]
const goalMs = 20

/** How long it takes until the kernel has the rules of one endpoint that changed, among so many services. */
export async function measureRuleUpdates({ samples, signal, progress }: BenchOptions): Promise<Row[]> {
  const netns = `stormo-bench-${process.pid}`
  await execOk('ip', ['netns', 'add', netns])
  try {
    const rows: Row[] = []
    for (const size of sizes) {
      signal.throwIfAborted()
      progress(`rules of ${size} services`)
      const times = await updateTimes(netns, size, samples)
      rows.push({
        what: `one endpoint of ${size} services × ${endpointsPerService}`,
        value: percentile(times, 0.5),
        unit: 'ms',
        p99Ms: percentile(times, 0.99),
        ...(rows[0] ? { against: { what: `of ${sizes[0]}`, value: rows[0].value } } : {}),
        ...(size === 10_000 ? { goal: { of: 'value', atMost: goalMs } as const } : {}),
      })
    }
    return rows
  } finally {
    await exec('ip', ['netns', 'del', netns])
  }
}

async function updateTimes(netns: string, size: number, samples: number): Promise<number[]> {
  const informers = fakeInformers()
  for (let index = 0; index < size; index++) {
    informers.put(refs.services, serviceOf(index))
    informers.put(refs.endpointSlices, sliceOf(index, 0))
  }
  const proxy = createServiceProxy({
    nodeName: 'bench',
    nodeIp: '192.0.2.1',
    ranges: { clusterCidr: '10.244.0.0/16', podCidr: '10.244.1.0/24', serviceCidr: '10.96.0.0/12' },
    table: 'stormo-bench',
    pinned: [],
    informers,
    exec: (command, args, options) => exec('nsenter', [`--net=/run/netns/${netns}`, command, ...args], options),
    clock: systemClock,
    logger: nullLogger,
    onDrift: (drift) => {
      throw new Error(`the kernel's rules differ: ${drift.join('; ')}`)
    },
  })
  const times: number[] = []
  try {
    await proxy.start()
    await proxy.flush()
    for (let sample = 1; sample <= samples; sample++) {
      informers.put(refs.endpointSlices, sliceOf(sample % size, sample))
      const begin = performance.now()
      await proxy.flush()
      times.push(performance.now() - begin)
    }
  } finally {
    await proxy.stop()
    await proxy.remove()
  }
  return times
}

const bytesOf = (index: number): string => `${(index >> 8) & 255}.${index & 255}`

const serviceOf = (index: number): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${index}`, namespace: 'bench' },
  spec: {
    type: 'ClusterIP',
    clusterIP: `10.${100 + (index >> 16)}.${bytesOf(index)}`,
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  },
})

const sliceOf = (index: number, version: number): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `s${index}-1`, namespace: 'bench', labels: { 'kubernetes.io/service-name': `s${index}` } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 + (version % 1000), protocol: 'TCP' }],
  endpoints: Array.from({ length: endpointsPerService }, (_, number) => ({
    addresses: [`10.244.${bytesOf((index * endpointsPerService + number) % 65_000)}`],
    conditions: { ready: true },
  })),
})
