import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Node, Secret, Service } from '../../api/kinds.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { systemClock } from '../../lib/system.ts'
import { httpsProviders } from './external-provider.ts'
import type { CloudProvider } from './provider.ts'
import { readProviderConfig } from './provider-config.ts'
import { instance, memoryProvider, type MemoryProvider } from './testing/memory-provider.ts'
import { type ProviderServer, serveProvider } from './testing/provider-server.ts'

let memory: MemoryProvider
let server: ProviderServer
const { signal } = new AbortController()

beforeEach(async () => {
  memory = memoryProvider()
  server = await serveProvider(memory, { token: 's3cret' })
})
afterEach(() => server.stop())

const secret = (data: Record<string, string>): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'cloud-provider', namespace: 'kube-system' },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
})
const connect = (more: Record<string, string> = {}): CloudProvider =>
  httpsProviders({ clock: systemClock, random: seededRandom(1) })(
    readProviderConfig(secret({ server: `${server.url}/`, 'ca.crt': server.caPem, token: 's3cret\n', ...more })),
  )
const node = (name: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})
const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  spec: { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30080 }] },
}

test('machines: what the provider knows of one, and that there is none', async () => {
  memory.instances.set('n1', instance('n1', { isShutdown: true }))
  expect(await connect().findInstance(node('n1'), signal)).toEqual(instance('n1', { isShutdown: true }))
  expect(await connect().findInstance(node('n2'), signal)).toBeUndefined()
})

test('load balancers: made, made again, begun, and removed', async () => {
  const provider = connect()
  const ingress = [{ ip: '203.0.113.1', ipMode: 'VIP' }]
  expect(await provider.ensureLoadBalancer(service, [node('n1')], signal)).toEqual(ingress)
  expect(await provider.ensureLoadBalancer(service, [node('n1'), node('n2')], signal)).toEqual(ingress)
  expect(memory.balancers.get('u1')?.nodes).toEqual(['n1', 'n2'])
  expect(await provider.deleteLoadBalancer(service, signal)).toBe(true)
  expect(memory.balancers.size).toBe(0)
  memory.isSlow = true
  expect(await provider.ensureLoadBalancer(service, [], signal)).toBeUndefined()
  expect(await provider.deleteLoadBalancer(service, signal)).toBe(false)
  server.faults.push({ status: 404 })
  expect(await provider.deleteLoadBalancer(service, signal)).toBe(true)
})

test('routes: laid, listed and taken away', async () => {
  const provider = connect()
  const route = { name: 'n1-10-244-1-0-24', nodeName: 'n1', destinationCidr: '10.244.1.0/24' }
  await provider.ensureRoute(route, node('n1'), signal)
  expect(await provider.listRoutes(signal)).toEqual([route])
  await provider.deleteRoute(route, signal)
  expect(await provider.listRoutes(signal)).toEqual([])
})

describe('a provider that fails', () => {
  test('is asked again after a 5xx, a 429 and a connection that is cut', async () => {
    server.faults.push({ status: 503 }, 'cut')
    await connect().listRoutes(signal)
    server.faults.push({ status: 429, headers: { 'retry-after': '0.01' } })
    await connect().listRoutes(signal)
    expect(server.requests).toHaveLength(5)
  })

  test('is given up after three times, with what it said', async () => {
    memory.problem = 'no quota left'
    await expect(connect().ensureLoadBalancer(service, [], signal)).rejects.toThrow(
      `PUT ${server.url}/v1/load-balancers/u1: 500: no quota left`,
    )
    expect(server.requests).toHaveLength(3)
  })

  test('is not asked again when asking again cannot help, or only much later', async () => {
    await expect(connect({ token: 'wrong' }).listRoutes(signal)).rejects.toThrow('401: who are you?')
    server.faults.push({ status: 503, headers: { 'retry-after': '60' }, body: 'in an hour' })
    await expect(connect().listRoutes(signal)).rejects.toThrow('503: in an hour')
    server.faults.push({ status: 200, body: 'OK' })
    await expect(connect().listRoutes(signal)).rejects.toThrow('the answer is no JSON: OK')
    expect(server.requests).toHaveLength(3)
  })

  test('is waited for no longer than the Secret says', async () => {
    server.faults.push('hang', 'hang', 'hang')
    await expect(connect({ timeoutSeconds: '0.05' }).listRoutes(signal)).rejects.toThrow('no answer within 50 ms')
  })

  test('ends with the signal', async () => {
    const abort = new AbortController()
    server.faults.push('hang')
    const asked = connect().listRoutes(abort.signal)
    abort.abort(new Error('the term is over'))
    await expect(asked).rejects.toThrow('the term is over')
  })

  test('that nobody vouches for is not believed', async () => {
    await expect(connect({ 'ca.crt': '' }).listRoutes(signal)).rejects.toThrow(/certificate/)
    expect(server.requests).toEqual([])
  })

  test.each([
    ['{"ingress":[{"ip":"nowhere"}]}', 'ingress[0].ip: "nowhere" is no address'],
    ['{"ingress":[{}]}', 'ingress[0]: has neither ip nor hostname'],
    ['{"ingress":"x"}', 'ingress: must be a list'],
  ])('by answering %s is told what is wrong', async (body, message) => {
    server.faults.push({ status: 200, body })
    await expect(connect().ensureLoadBalancer(service, [], signal)).rejects.toThrow(message)
  })
})

test.each([
  [{ server: 'http://provider' }, 'server: "http://provider": must be an https URL'],
  [
    { server: 'https://p', features: 'routes, magic' },
    'features: "magic": must be of instances, load-balancers, routes',
  ],
  [{ server: 'https://p', timeoutSeconds: '0' }, 'timeoutSeconds: "0": must be a number up to 60'],
  [{ server: 'https://p', 'tls.crt': 'x' }, 'tls.crt: "…": needs tls.key, and the reverse'],
])('a Secret that cannot be used names its key: %o', (data, message) => {
  expect(() => readProviderConfig(secret(data as never))).toThrow(`Secret kube-system/cloud-provider: ${message}`)
})
