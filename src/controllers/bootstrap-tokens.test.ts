import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ConfigMap, Secret } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { bootstrapTokenController } from './bootstrap-tokens.ts'
import { startCluster, type TestCluster } from './testing/cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [bootstrapTokenController] })
  for (const name of ['kube-system', 'kube-public']) await cluster.create(refs.namespaces, { metadata: { name } })
})
afterEach(() => cluster.stop())

const token = (id: string, data: Record<string, string>) =>
  cluster.create<Secret>(refs.secrets, {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(
      Object.entries({ 'token-id': id, 'token-secret': '0123456789abcdef', ...data }).map(([key, value]) => [
        key,
        btoa(value),
      ]),
    ),
  })
const inMs = (ms: number) => new Date(cluster.clock.nowMs() + ms).toISOString()
const info = () => cluster.get<ConfigMap>(refs.configMaps, 'cluster-info', 'kube-public')?.data
const names = () => cluster.list(refs.secrets, 'kube-system').map(({ metadata }) => metadata.name)

test('a token goes when its time is over, and not before', async () => {
  await token('aaaaaa', { expiration: inMs(60_000) })
  await token('bbbbbb', {})
  await cluster.pass(30_000)
  expect(names()).toEqual(['bootstrap-token-aaaaaa', 'bootstrap-token-bbbbbb'])
  await cluster.pass(40_000)
  expect(names()).toEqual(['bootstrap-token-bbbbbb'])
})

test('the cluster is told by each token that may tell it, for as long as it may', async () => {
  await cluster.create(refs.configMaps, {
    metadata: { name: 'cluster-info', namespace: 'kube-public' },
    data: { kubeconfig: 'apiVersion: v1', 'jws-kubeconfig-gone00': 'x' },
  })
  await token('aaaaaa', { 'usage-bootstrap-signing': 'true', expiration: inMs(60_000) })
  await token('bbbbbb', { 'usage-bootstrap-authentication': 'true' })
  // Signing takes real time, of which the virtual clock knows nothing.
  const signed = () =>
    expect.poll(async () => {
      await cluster.pass(10)
      return Object.keys(info()!).filter((key) => key !== 'kubeconfig')
    })
  await signed().toEqual(['jws-kubeconfig-aaaaaa'])
  const { kubeconfig, ...signatures } = info()!
  const [head, content, signature] = signatures['jws-kubeconfig-aaaaaa']!.split('.')
  expect([JSON.parse(atob(head!)), content]).toEqual([{ alg: 'HS256', kid: 'aaaaaa' }, ''])
  const wanted = createHmac('sha256', 'aaaaaa.0123456789abcdef')
    .update(`${head}.${Buffer.from(kubeconfig!).toString('base64url')}`)
    .digest('base64url')
  expect(signature).toBe(wanted)
  const version = cluster.version()
  await cluster.pass()
  expect(cluster.version()).toBe(version)
  await cluster.pass(60_000)
  await signed().toEqual([])
})
