import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { podNames, startCluster, type TestCluster } from '../../testing/cluster.ts'
import { template, workload } from '../../testing/objects.ts'
import { statefulSetController } from './stateful-set.ts'

let cluster: TestCluster
const fenced = new Set<string>()

beforeEach(async () => {
  fenced.clear()
  cluster = await startCluster({ controllers: () => [statefulSetController((node) => fenced.has(node))] })
  await cluster.addNode('one')
  await cluster.addNode('two')
})
afterEach(() => cluster.stop())

const set = (spec: object = {}) => workload({ serviceName: 'web', replicas: 3, ...spec })
const pods = () => cluster.list<Pod>(refs.pods)
const names = () => podNames(pods())
const claims = () => cluster.list<PersistentVolumeClaim>(refs.persistentVolumeClaims).map((one) => one.metadata.name)
const status = () => cluster.get<StatefulSet>(refs.statefulSets, 'web')!.status!
const imageOf = (name: string) => cluster.get<Pod>(refs.pods, name)?.spec?.containers?.[0]?.image
const setImage = (image: string) =>
  cluster.change<StatefulSet>(refs.statefulSets, 'web', (one) => {
    one.spec!.template.spec!.containers![0]!.image = image
  })
const claimTemplate = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
}

async function expectQuiet() {
  const before = cluster.version()
  await cluster.pass(20_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
}

test('makes pods in order, each after the one before is ready, with stable names and hostnames', async () => {
  cluster.kubelets.fate((pod) => (pod.metadata.name === 'web-1' ? 'running' : 'ready'))
  await cluster.create(refs.statefulSets, set())
  await cluster.pass(20_000)
  expect(names()).toEqual(['web-0', 'web-1'])
  cluster.kubelets.fate(() => 'ready')
  await cluster.pass(20_000)
  expect(names()).toEqual(['web-0', 'web-1', 'web-2'])
  const pod = cluster.get<Pod>(refs.pods, 'web-1')!
  expect(pod.spec).toMatchObject({ hostname: 'web-1', subdomain: 'web' })
  expect(pod.metadata.labels).toMatchObject({
    'statefulset.kubernetes.io/pod-name': 'web-1',
    'apps.kubernetes.io/pod-index': '1',
    'controller-revision-hash': status().updateRevision,
  })
  expect(status()).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 3 })
  await expectQuiet()
})

test('Parallel makes all at once', async () => {
  cluster.kubelets.fate(() => 'running')
  await cluster.create(refs.statefulSets, set({ podManagementPolicy: 'Parallel', ordinals: { start: 5 } }))
  await cluster.pass()
  expect(names()).toEqual(['web-5', 'web-6', 'web-7'])
})

test('scales down from the highest ordinal, one at a time', async () => {
  await cluster.create(refs.statefulSets, set())
  await cluster.pass(20_000)
  const seen: string[] = []
  cluster.informers.for<Pod>(refs.pods).onChange(({ object, previous, name }) => {
    if (object?.metadata.deletionTimestamp && !previous?.metadata.deletionTimestamp) seen.push(name)
    expect(pods().filter((pod) => pod.metadata.deletionTimestamp).length).toBeLessThanOrEqual(1)
  })
  await cluster.change<StatefulSet>(refs.statefulSets, 'web', (one) => void (one.spec!.replicas = 1))
  await cluster.pass(15_000)
  expect(seen).toEqual(['web-2', 'web-1'])
  expect(names()).toEqual(['web-0'])
  await expectQuiet()
})

test('updates from the highest ordinal down to the partition, and remembers revisions', async () => {
  await cluster.create(
    refs.statefulSets,
    set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } } }),
  )
  await cluster.pass(20_000)
  await setImage('nginx:2')
  await cluster.pass(30_000)
  expect([imageOf('web-0'), imageOf('web-1'), imageOf('web-2')]).toEqual(['nginx:1', 'nginx:2', 'nginx:2'])
  expect(status().currentRevision).not.toBe(status().updateRevision)
  // Below the partition a lost pod comes back as it was.
  await cluster.client.delete(refs.pods, 'default', 'web-0')
  await cluster.pass(20_000)
  expect(imageOf('web-0')).toBe('nginx:1')
  await cluster.change<StatefulSet>(refs.statefulSets, 'web', (one) => {
    one.spec!.updateStrategy!.rollingUpdate!.partition = 0
  })
  await cluster.pass(30_000)
  expect(imageOf('web-0')).toBe('nginx:2')
  expect(status().currentRevision).toBe(status().updateRevision)
  await setImage('nginx:1')
  await cluster.pass(60_000)
  const revisions = cluster.list<ControllerRevision>(refs.controllerRevisions)
  expect(revisions.map((one) => one.revision).toSorted()).toEqual([2, 3])
  await expectQuiet()
})

test('OnDelete waits for the user', async () => {
  await cluster.create(refs.statefulSets, set({ updateStrategy: { type: 'OnDelete' } }))
  await cluster.pass(20_000)
  await setImage('nginx:2')
  await cluster.pass(20_000)
  expect([imageOf('web-0'), imageOf('web-1'), imageOf('web-2')]).toEqual(['nginx:1', 'nginx:1', 'nginx:1'])
  await cluster.client.delete(refs.pods, 'default', 'web-1')
  await cluster.pass(20_000)
  expect([imageOf('web-0'), imageOf('web-1'), imageOf('web-2')]).toEqual(['nginx:1', 'nginx:2', 'nginx:1'])
})

test('claims are made once, kept on scale down, and taken up again', async () => {
  await cluster.create(refs.statefulSets, set({ replicas: 2, volumeClaimTemplates: [claimTemplate] }))
  await cluster.pass(20_000)
  expect(claims()).toEqual(['data-web-0', 'data-web-1'])
  expect(cluster.get<Pod>(refs.pods, 'web-1')!.spec!.volumes).toContainEqual(
    expect.objectContaining({
      name: 'data',
      persistentVolumeClaim: expect.objectContaining({ claimName: 'data-web-1' }),
    }),
  )
  await cluster.change<StatefulSet>(refs.statefulSets, 'web', (one) => void (one.spec!.replicas = 1))
  await cluster.pass(20_000)
  expect(claims()).toEqual(['data-web-0', 'data-web-1'])
  await expectQuiet()
})

test('retention policy: claims are owned by the set, or by the pod that is scaled away', async () => {
  const policy = { whenDeleted: 'Delete', whenScaled: 'Delete' }
  await cluster.create(
    refs.statefulSets,
    set({ replicas: 2, volumeClaimTemplates: [claimTemplate], persistentVolumeClaimRetentionPolicy: policy }),
  )
  await cluster.pass(20_000)
  const owners = (name: string) =>
    cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, name)?.metadata.ownerReferences?.map((o) => o.kind)
  expect(owners('data-web-1')).toEqual(['StatefulSet'])
  await cluster.change<StatefulSet>(refs.statefulSets, 'web', (one) => void (one.spec!.replicas = 1))
  await cluster.pass(20_000)
  expect(names()).toEqual(['web-0'])
  expect([owners('data-web-0'), owners('data-web-1')]).toEqual([['StatefulSet'], ['Pod']])
})

test('a failed pod is made anew', async () => {
  await cluster.create(refs.statefulSets, set({ replicas: 1 }))
  await cluster.pass(10_000)
  const before = cluster.get<Pod>(refs.pods, 'web-0')!.metadata.uid
  await cluster.change<Pod>(refs.pods, 'web-0', (pod) => void (pod.status!.phase = 'Failed'), 'status')
  await cluster.pass(10_000)
  expect(cluster.get<Pod>(refs.pods, 'web-0')!.metadata.uid).not.toBe(before)
  expect(cluster.events.map((event) => event.reason)).toContain('RecreatingFailedPod')
})

test('a pod on a lost node fails over only once the node is fenced, never two of one', async () => {
  await cluster.create(refs.statefulSets, set({ replicas: 1 }))
  await cluster.pass(10_000)
  const { uid } = cluster.get<Pod>(refs.pods, 'web-0')!.metadata
  const node = cluster.get<Pod>(refs.pods, 'web-0')!.spec!.nodeName!
  cluster.kubelets.lose(node)
  await cluster.client.delete(refs.pods, 'default', 'web-0')
  await cluster.change(
    refs.nodes,
    node,
    (one: never) => {
      Object.assign(one, { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } })
    },
    'status',
  )
  await cluster.pass(60_000)
  expect(cluster.get<Pod>(refs.pods, 'web-0')!.metadata.uid).toBe(uid)
  fenced.add(node)
  await cluster.pass(10_000)
  expect(cluster.get<Pod>(refs.pods, 'web-0')!.metadata.uid).not.toBe(uid)
})

test('minReadySeconds holds the next ordinal back', async () => {
  await cluster.create(refs.statefulSets, set({ minReadySeconds: 30, template: template() }))
  await cluster.pass(20_000)
  expect(names()).toEqual(['web-0'])
  await cluster.pass(30_000)
  expect(names()).toEqual(['web-0', 'web-1'])
  expect(status().availableReplicas).toBe(1)
})
