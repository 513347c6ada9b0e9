import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { EndpointSlice, Service } from '../../api/kinds.ts'
import { silentLogger } from '../../lib/log.ts'
import { ipv4 } from '../family.ts'
import { createHealthChecks, healthCheckOf } from './health-check.ts'

const service = (externalTrafficPolicy: string, healthCheckNodePort: number): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    type: 'LoadBalancer',
    externalTrafficPolicy,
    healthCheckNodePort,
    ports: [{ port: 80 }, { name: 'b', port: 81 }],
  },
})

const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'default' },
  addressType: 'IPv4',
  ports: [{ port: 8080 }, { name: 'b', port: 8081 }],
  endpoints: [
    { addresses: ['10.244.1.2'], nodeName: 'here' },
    { addresses: ['10.244.2.2'], nodeName: 'there' },
    { addresses: ['10.244.1.3'], nodeName: 'here', conditions: { ready: false } },
  ],
}

const checks = createHealthChecks(silentLogger)
afterEach(() => checks.close())

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('only services that keep outside traffic local have one; it counts this node’s ready pods once', () => {
  const here = { nodeName: 'here', zone: '', family: ipv4 }
  expect(healthCheckOf(service('Cluster', 31000), [slice], here)).toBeUndefined()
  expect(healthCheckOf(undefined, [], here)).toBeUndefined()
  expect(healthCheckOf(service('Local', 31000), [slice], here)).toMatchObject({ port: 31000, localEndpoints: 1 })
  expect(healthCheckOf(service('Local', 31000), [slice], { nodeName: 'else', zone: '', family: ipv4 })).toMatchObject({
    localEndpoints: 0,
  })
})

test('answers 200 with endpoints and 503 without, follows changes, and ends', async () => {
  const port = await freePort()
  const check = { namespace: 'default', name: 'web', port, localEndpoints: 2 }
  const ask = () => fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } })
  checks.set('default/web', check)
  const good = await ask()
  expect(good.status).toBe(200)
  expect(good.headers.get('X-Load-Balancing-Endpoint-Weight')).toBe('2')
  expect(await good.json()).toEqual({
    service: { namespace: 'default', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  })
  checks.set('default/web', { ...check, localEndpoints: 0 })
  expect((await ask()).status).toBe(503)
  checks.set('default/web', undefined)
  await checks.close()
  await expect(ask()).rejects.toThrow('fetch failed')
})
