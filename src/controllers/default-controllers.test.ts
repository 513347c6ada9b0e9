import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Job,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  StatefulSet,
} from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import { defaultControllers } from './default-controllers.ts'
import { collectedResources } from './resources.ts'
import { startCluster, type TestCluster } from './testing/cluster.ts'
import { job, template, workload } from './testing/objects.ts'

let cluster: TestCluster
/** Since when, by virtual time. */
const dead = new Map<string, number>()
const listeners = new Set<(node: string) => void>()

beforeEach(async () => {
  dead.clear()
  cluster = await startCluster({
    controllers: ({ catalogue }) =>
      defaultControllers({
        caPem: 'PEM',
        resources: () => collectedResources(catalogue.all()),
        onResources: (handler) => catalogue.onChange(handler),
        isAlive: (node) => !dead.has(node),
        onLiveness(handler) {
          listeners.add(handler)
          return () => void listeners.delete(handler)
        },
        leaseAgeMs: (node) => cluster.clock.monotonicMs() - (dead.get(node) ?? Infinity),
      }),
  })
  for (const name of ['one', 'two', 'three']) await cluster.addNode(name)
})
afterEach(() => cluster.stop())

const pods = () => cluster.list<Pod>(refs.pods)
const remove = (ref: GroupResource, name: string, propagationPolicy: 'Foreground' | 'Background' | 'Orphan') =>
  cluster.client.delete(ref, 'default', name, { propagationPolicy })
const kill = (node: string) => {
  dead.set(node, cluster.clock.monotonicMs())
  cluster.kubelets.lose(node)
  for (const listener of listeners) listener(node)
}
const revive = async (node: string) => {
  dead.delete(node)
  await cluster.kubelets.regain(node)
  for (const listener of listeners) listener(node)
}
const isReady = (pod: Pod) => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')

async function expectQuiet() {
  await cluster.pass(30_000)
  const before = cluster.version()
  await cluster.pass(60_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
}

test('everything at rest writes nothing', async () => {
  await cluster.create(refs.deployments, workload({ replicas: 2 }))
  await cluster.create(refs.services, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  await cluster.create(refs.jobs, job({ template: template('x', { restartPolicy: 'Never' }, { app: 'work' }) }))
  await cluster.pass(20_000)
  const slices = cluster.list<EndpointSlice>(refs.endpointSlices)
  expect(slices.flatMap((slice) => slice.endpoints ?? [])).toHaveLength(2)
  expect(cluster.get<ConfigMap>(refs.configMaps, 'kube-root-ca.crt')?.data).toEqual({ 'ca.crt': 'PEM' })
  await expectQuiet()
})

describe('garbage collection', () => {
  beforeEach(async () => {
    await cluster.create(refs.deployments, workload({ replicas: 2 }))
    await cluster.pass()
    expect(pods()).toHaveLength(2)
  })

  test('background: dependents follow, through all generations', async () => {
    await remove(refs.deployments, 'web', 'Background')
    expect(cluster.get(refs.deployments, 'web')).toBeUndefined()
    await cluster.pass()
    expect(cluster.list(refs.replicaSets)).toEqual([])
    expect(pods()).toEqual([])
  })

  test('foreground: the owner goes last', async () => {
    const order: string[] = []
    for (const ref of [refs.deployments, refs.replicaSets, refs.pods])
      cluster.informers.for<KubeObject>(ref).onChange(({ object }) => {
        if (!object) order.push(ref.resource)
      })
    await remove(refs.deployments, 'web', 'Foreground')
    await cluster.pass()
    expect(order).toEqual(['pods', 'pods', 'replicasets', 'deployments'])
  })

  test('orphan: dependents stay and belong to nobody', async () => {
    await remove(refs.deployments, 'web', 'Orphan')
    await cluster.pass()
    expect(cluster.get(refs.deployments, 'web')).toBeUndefined()
    expect(cluster.list<ReplicaSet>(refs.replicaSets)[0]?.metadata.ownerReferences ?? []).toEqual([])
    expect(pods()).toHaveLength(2)
  })

  test('an owner that has never been seen is waited for, one of two owners is dropped', async () => {
    const owner = await cluster.create<ConfigMap>(refs.configMaps, { metadata: { name: 'owner' } })
    const reference = (name: string, uid: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid })
    await cluster.create(refs.configMaps, { metadata: { name: 'lost', ownerReferences: [reference('gone', 'u1')] } })
    await cluster.create(refs.configMaps, {
      metadata: { name: 'both', ownerReferences: [reference('gone', 'u1'), reference('owner', owner.metadata.uid!)] },
    })
    await cluster.pass(5000)
    expect(cluster.get(refs.configMaps, 'lost')).toBeDefined()
    await cluster.pass(10_000)
    expect(cluster.get(refs.configMaps, 'lost')).toBeUndefined()
    expect(cluster.get<ConfigMap>(refs.configMaps, 'both')?.metadata.ownerReferences).toHaveLength(1)
  })

  test('a cluster-scoped object with a namespaced owner is left alone', async () => {
    await cluster.create(refs.priorityClasses, {
      metadata: { name: 'p', ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'u' }] },
      value: 1,
    })
    await cluster.pass(60_000)
    expect(cluster.get(refs.priorityClasses, 'p')).toBeDefined()
    expect(cluster.events.map((event) => event.reason)).toContain('OwnerRefInvalidNamespace')
  })
})

test('resources that come at run time are collected too', async () => {
  const [base] = cluster.catalogue.all().filter((one) => one.resource === 'configmaps')
  cluster.catalogue.set('widgets', [
    { ...base!, group: 'example.com', resource: 'widgets', kind: 'Widget', singular: 'widget' },
  ])
  const widgets = { group: 'example.com', resource: 'widgets' }
  const owner = await cluster.create<ConfigMap>(refs.configMaps, { metadata: { name: 'owner' } })
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid }]
  await cluster.create(widgets, { metadata: { name: 'part', ownerReferences } })
  await cluster.pass()
  expect(cluster.get(widgets, 'part')).toBeDefined()
  await remove(refs.configMaps, 'owner', 'Background')
  await cluster.pass()
  expect(cluster.get(widgets, 'part')).toBeUndefined()
  expect(cluster.failures).toEqual([])
})

test('a namespace is emptied, pods first, and goes', async () => {
  await cluster.client.create<Namespace>(refs.namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'temp' },
  })
  await cluster.create(refs.configMaps, { metadata: { name: 'data', namespace: 'temp' } })
  await cluster.create(refs.deployments, { ...workload(), metadata: { name: 'web', namespace: 'temp' } })
  await cluster.pass()
  const order: string[] = []
  for (const ref of [refs.pods, refs.configMaps])
    cluster.informers.for<KubeObject>(ref).onChange(({ object, namespace }) => {
      if (!object && namespace === 'temp') order.push(ref.resource)
    })
  await cluster.client.delete(refs.namespaces, '', 'temp')
  await cluster.pass(60_000)
  expect(cluster.get(refs.namespaces, 'temp')).toBeUndefined()
  expect(order[0]).toBe('pods')
  expect(cluster.list(refs.deployments, 'temp')).toEqual([])
  await expectQuiet()
})

describe('a node that is lost', () => {
  const ready = (name: string) =>
    cluster.get<Node>(refs.nodes, name)!.status!.conditions!.find((one) => one.type === 'Ready')!.status

  test('is marked and tainted at once, its pods leave the endpoints, and are replaced elsewhere', async () => {
    await cluster.create(refs.deployments, workload({ replicas: 3 }))
    await cluster.pass()
    kill('one')
    await cluster.pass(500)
    expect(ready('one')).toBe('Unknown')
    expect(pods().filter((pod) => pod.spec?.nodeName === 'one' && isReady(pod))).toEqual([])
    await cluster.pass(15_000)
    expect(pods().filter((pod) => isReady(pod) && pod.spec?.nodeName !== 'one')).toHaveLength(3)
    const left = pods().filter((pod) => pod.spec?.nodeName === 'one')
    expect(left.every((pod) => pod.metadata.deletionTimestamp)).toBe(true)
    await revive('one')
    await cluster.pass(15_000)
    expect(ready('one')).toBe('True')
    expect(cluster.get<Node>(refs.nodes, 'one')!.spec?.taints ?? []).toEqual([])
    expect(pods()).toHaveLength(3)
    await expectQuiet()
  })

  test('keeps its StatefulSet pod until it is fenced', async () => {
    await cluster.create(refs.statefulSets, workload({ serviceName: 'web', replicas: 1 }))
    await cluster.pass()
    const before = cluster.get<Pod>(refs.pods, 'web-0')!
    kill(before.spec!.nodeName!)
    await cluster.pass(50_000)
    expect(cluster.get<Pod>(refs.pods, 'web-0')!.metadata.uid).toBe(before.metadata.uid)
    await cluster.pass(20_000)
    const after = cluster.get<Pod>(refs.pods, 'web-0')!
    expect(after.metadata.uid).not.toBe(before.metadata.uid)
    expect(isReady(after)).toBe(true)
    expect(cluster.get<StatefulSet>(refs.statefulSets, 'web')!.status!.readyReplicas).toBe(1)
  })

  test('with most of its zone is not emptied: it is rather we who are cut off', async () => {
    for (const name of ['four', 'five']) await cluster.addNode(name)
    await cluster.create(refs.deployments, workload({ replicas: 5 }))
    await cluster.pass()
    for (const name of ['one', 'two', 'three']) kill(name)
    await cluster.pass(60_000)
    const lost = pods().filter((pod) => ['one', 'two', 'three'].includes(pod.spec?.nodeName ?? ''))
    expect(lost.length).toBeGreaterThan(0)
    const emptied = new Set(lost.filter((pod) => pod.metadata.deletionTimestamp).map((pod) => pod.spec!.nodeName))
    expect(emptied.size).toBeLessThanOrEqual(2)
  })

  test('is not judged before a new leader has had time to probe', async () => {
    await cluster.stop()
    const listed = await startCluster({
      controllers: () => defaultControllers({ caPem: 'PEM', resources: () => [], isAlive: () => false }),
    })
    await listed.addNode('one')
    const status = () =>
      listed.get<Node>(refs.nodes, 'one')!.status!.conditions!.find((one) => one.type === 'Ready')!.status
    await listed.pass(5000)
    expect(status()).toBe('True')
    await listed.pass(10_000)
    expect(status()).toBe('Unknown')
    await listed.stop()
  })

  test('and deleted takes its pods along, whose job learns that they failed', async () => {
    cluster.kubelets.fate(() => 'running')
    await cluster.create(refs.jobs, job({ template: template('x', { restartPolicy: 'Never' }, { app: 'work' }) }))
    await cluster.pass()
    const [pod] = pods()
    kill(pod!.spec!.nodeName!)
    await cluster.client.delete(refs.nodes, '', pod!.spec!.nodeName!)
    await cluster.pass(30_000)
    expect(
      pods().filter(
        (one) =>
          one.metadata.uid === pod!.metadata.uid && !one.metadata.deletionTimestamp && one.status?.phase === 'Running',
      ),
    ).toEqual([])
    expect(cluster.get<Job>(refs.jobs, 'work')!.status).toMatchObject({ failed: 1, active: 1 })
  })
})

test('surplus pods after a heal go by the stated order: unready before ready, the younger before the older', async () => {
  await cluster.create(refs.deployments, workload({ replicas: 2 }))
  await cluster.pass(20_000)
  const kept = pods().map((pod) => pod.metadata.name)
  const [set] = cluster.list<ReplicaSet>(refs.replicaSets)
  const extra = pods()[0]!
  for (const name of ['extra-1', 'extra-2'])
    await cluster.create(refs.pods, {
      metadata: { name, labels: extra.metadata.labels, ownerReferences: extra.metadata.ownerReferences },
      spec: template().spec,
    })
  await cluster.pass(20_000)
  expect(pods().map((pod) => pod.metadata.name)).toEqual(kept)
  expect(cluster.get<Deployment>(refs.deployments, 'web')!.status!.availableReplicas).toBe(2)
  expect(set!.spec!.replicas).toBe(2)
  await expectQuiet()
})
