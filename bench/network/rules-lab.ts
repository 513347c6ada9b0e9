import type { EndpointSlice, Service } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import { fakeInformers } from '../../src/client/fake-informers.ts'
import { exec, execOk } from '../../src/lib/exec.ts'
import { createShellPool } from '../../src/lib/shell-pool.ts'
import { systemClock } from '../../src/lib/system.ts'
import { ipv4 } from '../../src/network/family.ts'
import { createServiceProxy } from '../../src/network/proxy/service-proxy.ts'
import { nullLogger } from '../support/null-logger.ts'

export const endpointsPerService = 3
/** Of the endpoints' first version. */
export const endpointPort = 8080
const nodeIp = '192.0.2.1'

let made = 0

/** A network namespace with the rules of so many services, every endpoint of which is the namespace itself. */
export async function startRules(size: number) {
  const netns = `stormo-bench-${process.pid}-${made++}`
  const enter = ['nsenter', `--net=/run/netns/${netns}`]
  await execOk('ip', ['netns', 'add', netns])
  for (const args of [
    ['link', 'set', 'lo', 'up'],
    ['addr', 'add', `${nodeIp}/32`, 'dev', 'lo'],
    ['route', 'add', 'local', '10.244.0.0/16', 'dev', 'lo'],
    ['route', 'add', 'default', 'dev', 'lo', 'src', nodeIp],
  ])
    await execOk('ip', ['-n', netns, ...args])
  const informers = fakeInformers()
  for (let index = 0; index < size; index++) {
    informers.put(refs.services, serviceOf(index))
    informers.put(refs.endpointSlices, sliceOf(index, 0))
  }
  const shells = createShellPool({ size: 2, enter })
  const proxy = createServiceProxy({
    nodeName: 'bench',
    nodeIp,
    ranges: { clusterCidr: '10.244.0.0/16', podCidr: '10.244.1.0/24', serviceCidr: '10.96.0.0/12' },
    family: ipv4,
    table: 'stormo-bench',
    pinned: [],
    informers,
    exec: shells.exec,
    clock: systemClock,
    logger: nullLogger,
    onDrift: (drift) => {
      throw new Error(`the kernel's rules differ: ${drift.join('; ')}`)
    },
  })
  await proxy.start()
  await proxy.flush()
  return {
    /** What runs a program inside: put before it. */
    enter,
    informers,
    proxy,
    async stop(): Promise<void> {
      await proxy.stop()
      await proxy.remove()
      shells.stop()
      await exec('ip', ['netns', 'del', netns])
    },
  }
}

const bytesOf = (index: number): string => `${(index >> 8) & 255}.${index & 255}`

/** The cluster IP of a service by number. */
export const clusterIpOf = (index: number): string => `10.${100 + (index >> 16)}.${bytesOf(index)}`

const serviceOf = (index: number): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${index}`, namespace: 'bench' },
  spec: {
    type: 'ClusterIP',
    clusterIP: clusterIpOf(index),
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  },
})

/** Its endpoints; each version of them has another port. */
export const sliceOf = (index: number, version: number): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `s${index}-1`, namespace: 'bench', labels: { 'kubernetes.io/service-name': `s${index}` } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: endpointPort + (version % 1000), protocol: 'TCP' }],
  endpoints: Array.from({ length: endpointsPerService }, (_, number) => ({
    addresses: [`10.244.${bytesOf((index * endpointsPerService + number) % 65_000)}`],
    conditions: { ready: true },
  })),
})
