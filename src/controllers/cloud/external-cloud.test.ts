import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Node, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { loadBalancerController } from '../reconcile/load-balancer.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { uninitializedTaint } from './cloud-node.ts'
import { controllersOf, externalCloud } from './clouds.ts'
import { instance, memoryProvider, type MemoryProvider } from './testing/memory-provider.ts'

let cluster: TestCluster
let cloud: MemoryProvider

beforeEach(async () => {
  cloud = memoryProvider()
  cluster = await startCluster({
    controllers: () => [...controllersOf(externalCloud(() => cloud)), loadBalancerController],
  })
  await cluster.create(refs.namespaces, { metadata: { name: 'kube-system' } })
  for (const name of ['n1', 'n2']) {
    cloud.instances.set(name, instance(name))
    await cluster.addNode(name, (node) => {
      node.spec = {
        podCIDR: `10.244.${name.slice(1)}.0/24`,
        podCIDRs: [`10.244.${name.slice(1)}.0/24`],
        taints: [{ key: uninitializedTaint, value: 'true', effect: 'NoSchedule' }],
      }
    })
  }
})
afterEach(() => cluster.stop())

const configure = (features = 'instances load-balancers routes') =>
  cluster.create(refs.secrets, {
    metadata: { name: 'cloud-provider', namespace: 'kube-system' },
    stringData: { server: 'https://provider', features },
  })
const node = (name: string) => cluster.get<Node>(refs.nodes, name)
const service = (name = 'web') => cluster.get<Service>(refs.services, name)
const ips = (name = 'web') => (service(name)?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)
const create = (spec: object = {}, name = 'web') =>
  cluster.create<Service>(refs.services, {
    metadata: { name },
    spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
  })
const reasons = () => cluster.events.map(({ reason }) => reason)

test('nodes are initialised with what the provider knows, and only then take pods', async () => {
  await cluster.change<Node>(refs.nodes, 'n1', (one) => {
    one.metadata.labels!['topology.kubernetes.io/zone'] = 'mine'
  })
  await cluster.change<Node>(
    refs.nodes,
    'n1',
    (one) => void (one.status!.addresses = [{ type: 'InternalIP', address: '192.0.2.1' }]),
    'status',
  )
  cloud.instances.delete('n2')
  await configure()
  await cluster.pass(2000)
  expect(node('n1')?.spec).toMatchObject({ providerID: 'memory://n1' })
  expect(node('n1')?.spec?.taints).toBeUndefined()
  expect(node('n1')?.metadata.labels).toMatchObject({
    'node.kubernetes.io/instance-type': 'small',
    'topology.kubernetes.io/region': 'here',
    'topology.kubernetes.io/zone': 'mine',
    'example.com/rack': '4',
  })
  expect(node('n1')?.status?.addresses).toEqual([
    { type: 'InternalIP', address: '192.0.2.1' },
    { type: 'ExternalIP', address: '203.0.113.7' },
  ])
  expect(cluster.events).toContainEqual(
    expect.objectContaining({ reason: 'Synced', message: 'Node synced successfully' }),
  )
  expect(node('n2')?.spec?.taints).toHaveLength(1)
  cloud.instances.set('n2', instance('n2'))
  await cluster.pass(120_000)
  expect(node('n2')?.spec?.taints).toBeUndefined()
})

test('what the provider comes to know later is learnt within minutes, without an end of asking', async () => {
  await configure()
  await cluster.pass(2000)
  cloud.instances.set('n1', instance('n1', { addresses: [{ type: 'ExternalIP', address: '203.0.113.99' }] }))
  cloud.calls.length = 0
  await cluster.pass(10 * 60_000)
  expect(node('n1')?.status?.addresses).toEqual([{ type: 'ExternalIP', address: '203.0.113.99' }])
  expect(cloud.calls.filter((call) => call === 'findInstance n1').length).toBeLessThanOrEqual(3)
})

test('Nodes of machines that are gone are deleted, those that are switched off are tainted, the Ready are not asked about', async () => {
  await configure()
  await cluster.pass(2000)
  const unready = (name: string) =>
    cluster.change<Node>(
      refs.nodes,
      name,
      (one) => void (one.status!.conditions = [{ type: 'Ready', status: 'Unknown' }]),
      'status',
    )
  cloud.instances.delete('n1')
  cloud.instances.set('n2', instance('n2', { isShutdown: true }))
  await cluster.pass(60_000)
  expect(node('n1')).toBeDefined()
  await unready('n1')
  await unready('n2')
  await cluster.pass(10_000)
  expect(node('n1')).toBeUndefined()
  expect(cluster.events).toContainEqual(
    expect.objectContaining({
      reason: 'DeletingNode',
      message: 'Deleting node n1 because it does not exist in the cloud provider',
    }),
  )
  const shutdown = { key: 'node.cloudprovider.kubernetes.io/shutdown', effect: 'NoSchedule' }
  expect(node('n2')?.spec?.taints).toEqual([expect.objectContaining(shutdown)])
  await cluster.kubelets.report('n2')
  await cluster.pass(1000)
  expect(node('n2')?.spec?.taints).toBeUndefined()
})

test('a load balancer is made, follows its Service and the nodes, and goes with it', async () => {
  await configure()
  const { uid } = (await create()).metadata
  await cluster.pass(2000)
  expect(ips()).toEqual(['203.0.113.1'])
  expect(service()?.metadata.finalizers).toEqual(['service.kubernetes.io/load-balancer-cleanup'])
  expect(cloud.balancers.get(uid!)?.nodes).toEqual(['n1', 'n2'])
  expect(reasons().filter((reason) => /Ensur/.test(reason))).toEqual(['EnsuringLoadBalancer', 'EnsuredLoadBalancer'])
  await cluster.change<Node>(refs.nodes, 'n2', (one) => {
    one.metadata.labels!['node.kubernetes.io/exclude-from-external-load-balancers'] = ''
  })
  await cluster.pass(2000)
  expect(cloud.balancers.get(uid!)?.nodes).toEqual(['n1'])
  expect(reasons().at(-1)).toBe('UpdatedLoadBalancer')
  const calls = cloud.calls.length
  await cluster.change<Service>(refs.services, 'web', (one) => void (one.spec!.ports![0]!.port = 81))
  await cluster.pass(2000)
  expect(cloud.calls.slice(calls).filter((call) => call.startsWith('ensureLoad'))).toHaveLength(1)
  await cluster.client.delete(refs.services, 'default', 'web')
  await cluster.pass(2000)
  expect(service()).toBeUndefined()
  expect(cloud.balancers.size).toBe(0)
  expect(reasons().slice(-2)).toEqual(['DeletingLoadBalancer', 'DeletedLoadBalancer'])
})

test('one that is a load balancer no longer loses it, the addresses and the finalizer', async () => {
  await configure()
  await create()
  await cluster.pass(2000)
  await cluster.change<Service>(refs.services, 'web', (one) => void (one.spec!.type = 'ClusterIP'))
  await cluster.pass(2000)
  expect(ips()).toEqual([])
  expect(service()?.metadata.finalizers ?? []).toEqual([])
  expect(cloud.balancers.size).toBe(0)
})

test('classes: the provider has its own and those without one, the mesh its own; without a provider the mesh has both', async () => {
  await cluster.change<Node>(
    refs.nodes,
    'n1',
    (one) => void (one.status!.addresses = [{ type: 'InternalIP', address: '192.0.2.1' }]),
    'status',
  )
  await create()
  await create({ loadBalancerClass: 'stormo.dev/external', ports: [{ port: 81 }] }, 'ours')
  await create({ loadBalancerClass: 'stormo.dev/mesh', ports: [{ port: 82 }] }, 'mesh')
  await create({ loadBalancerClass: 'example.com/x', ports: [{ port: 83 }] }, 'other')
  const all = () => ['web', 'ours', 'mesh', 'other'].map((name) => ips(name)[0])
  await cluster.pass(2000)
  expect(all()).toEqual(['192.0.2.1', undefined, '192.0.2.1', undefined])
  cloud.instances.clear()
  await configure('load-balancers')
  await cluster.pass(2000)
  expect(all()).toEqual([expect.stringMatching(/^203/), expect.stringMatching(/^203/), '192.0.2.1', undefined])
})

test('what fails is said, and tried again; a balancer that is only begun is waited for', async () => {
  await configure()
  cloud.problem = 'no quota left'
  await create()
  await cluster.pass(2000)
  expect(cluster.events).toContainEqual(
    expect.objectContaining({
      type: 'Warning',
      reason: 'SyncLoadBalancerFailed',
      message: 'Error syncing load balancer: failed to ensure load balancer: no quota left',
    }),
  )
  cloud.problem = undefined
  cloud.isSlow = true
  await cluster.pass(120_000)
  expect(ips()).toEqual([])
  cloud.isSlow = false
  await cluster.pass(120_000)
  expect(ips()).toEqual(['203.0.113.1'])
  cloud.problem = 'not now'
  await cluster.client.delete(refs.services, 'default', 'web')
  await cluster.pass(2000)
  expect(service()).toBeDefined()
  expect(cluster.events.at(-1)).toMatchObject({ message: 'Error deleting load balancer: not now' })
  cloud.problem = undefined
  await cluster.pass(120_000)
  expect(service()).toBeUndefined()
})

test('without the provider that made it a balancer is not forgotten: the Service stays, and says why', async () => {
  await configure()
  await create()
  await cluster.pass(2000)
  await cluster.client.delete(refs.secrets, 'kube-system', 'cloud-provider')
  await cluster.client.delete(refs.services, 'default', 'web')
  await cluster.pass(2000)
  expect(service()).toBeDefined()
  expect(cluster.events.at(-1)?.message).toContain('create Secret kube-system/cloud-provider again')
  await configure()
  await cluster.pass(2000)
  expect(service()).toBeUndefined()
  expect(cloud.balancers.size).toBe(0)
})

test('routes are laid for every node, and taken away with it; a node says whether it has them', async () => {
  cloud.routes.set('old', { name: 'old', nodeName: 'gone', destinationCidr: '10.244.9.0/24' })
  await configure()
  await cluster.pass(2000)
  expect([...cloud.routes.values()]).toEqual([
    { name: 'n1-10-244-1-0-24', nodeName: 'n1', destinationCidr: '10.244.1.0/24' },
    { name: 'n2-10-244-2-0-24', nodeName: 'n2', destinationCidr: '10.244.2.0/24' },
  ])
  expect(node('n1')?.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'NetworkUnavailable', status: 'False', reason: 'RouteCreated' }),
  )
  await cluster.client.delete(refs.nodes, '', 'n2')
  await cluster.pass(2000)
  expect([...cloud.routes.keys()]).toEqual(['n1-10-244-1-0-24'])
})

test('at rest no load balancer is asked for, and nothing is written', async () => {
  await configure()
  await create()
  await cluster.pass(2000)
  const before = cluster.version()
  cloud.calls.length = 0
  await cluster.pass(60_000)
  expect(cluster.version()).toBe(before)
  expect(cloud.calls.filter((call) => call.startsWith('ensureLoad'))).toEqual([])
  expect(cluster.failures).toEqual([])
})
