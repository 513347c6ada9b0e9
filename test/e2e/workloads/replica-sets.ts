import { describe, expect, test } from 'vitest'
import { eventually, isReady, type Loose, names, podSpec, type Workbench, workload } from './fixture.ts'
import { statusEndpoints } from './status-endpoints.ts'

const labels = { app: 'set' }
const serving = 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www'

/** What ReplicaSet and ReplicationController have in common; `make` builds one with the pod spec and replicas. */
async function servesBasicImage(
  bench: Workbench,
  resource: string,
  make: (replicas: number, line?: string) => Loose,
): Promise<void> {
  const space = await bench.space()
  await space.create(resource, make(2, serving))
  const pods = await space.untilPods('app=set', (found) => found.length === 2 && found.every(isReady))
  for (const pod of pods) {
    const name = pod.metadata.name!
    await eventually(`an answer of ${name}`, async () => {
      const proxied = await bench.api('GET', `${space.path('pods', `${name}:8080`)}/proxy/`)
      return proxied.bytes.toString().trim() === name
    })
  }
  await space.remove()
}

async function adoptsAndReleases(bench: Workbench, resource: string, make: (replicas: number) => Loose): Promise<void> {
  const space = await bench.space()
  const orphan = await space.create('pods', { metadata: { name: 'orphan', labels }, spec: podSpec() })
  const set = await space.create(resource, make(1))
  const owned = await space.until('pods', 'orphan', ({ metadata }) => metadata.ownerReferences?.length === 1)
  expect(owned.metadata.uid).toBe(orphan.metadata.uid)
  expect(owned.metadata.ownerReferences[0]).toMatchObject({ uid: set.metadata.uid, controller: true })
  expect(await space.pods('app=set')).toHaveLength(1)
  await space.patch('pods', 'orphan', { metadata: { labels: { app: 'not-matching' } } })
  await space.until('pods', 'orphan', ({ metadata }) => (metadata.ownerReferences ?? []).length === 0)
  await space.untilPods('app=set', (pods) => pods.length === 1)
  await space.remove()
}

async function surfacesFailure(bench: Workbench, resource: string, make: (replicas: number) => Loose): Promise<void> {
  const space = await bench.space()
  await space.create('resourcequotas', { metadata: { name: 'condition-test' }, spec: { hard: { pods: '2' } } })
  await space.until('resourcequotas', 'condition-test', ({ status }) => status?.hard?.pods === '2')
  await space.create(resource, make(3))
  const { name } = make(3).metadata
  const failed = await space.until(resource, name, ({ status }) =>
    status.conditions?.some((one: Loose) => one.type === 'ReplicaFailure'),
  )
  expect(failed.status.conditions[0]).toMatchObject({ status: 'True', reason: 'FailedCreate' })
  expect(failed.status.conditions[0].message).toMatch(/exceeded quota: condition-test/)
  await space.update(resource, name, (object) => (object.spec.replicas = 2))
  await space.until(
    resource,
    name,
    ({ status }) => !status.conditions?.some((one: Loose) => one.type === 'ReplicaFailure'),
  )
  await space.remove()
}

const replicaSet = (replicas: number, line?: string): Loose => {
  const set = workload('set', labels, { replicas })
  set.spec.template.spec = podSpec(line)
  return set
}
const replicationController = (replicas: number, line?: string): Loose => ({
  metadata: { name: 'set', labels },
  spec: { replicas, selector: labels, template: { metadata: { labels }, spec: podSpec(line) } },
})

export const replicaSets = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] ReplicaSet', () => {
    test('should serve a basic image on each replica with a public image', () =>
      servesBasicImage(bench(), 'replicasets', replicaSet))

    test('should adopt matching pods on creation and release no longer matching pods', () =>
      adoptsAndReleases(bench(), 'replicasets', replicaSet))

    test('should surface a failure condition on a common issue like exceeded quota', () =>
      surfacesFailure(bench(), 'replicasets', replicaSet))

    test('Replicaset should have a working scale subresource', async () => {
      const space = await bench().space()
      await space.create('replicasets', replicaSet(1))
      await space.until('replicasets', 'set', ({ status }) => status.availableReplicas === 1)
      const scale = await space.get('replicasets', 'set/scale')
      expect(scale).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 1, selector: 'app=set' } })
      const put = await space.update('replicasets', 'set/scale', (object) => (object.spec.replicas = 2))
      expect(put.spec.replicas).toBe(2)
      await space.patch('replicasets', 'set/scale', { spec: { replicas: 3 } })
      expect((await space.get('replicasets', 'set')).spec.replicas).toBe(3)
      await space.remove()
    })

    test('Replace and Patch tests', async () => {
      const space = await bench().space()
      await space.create('pods', { metadata: { name: 'matching', labels }, spec: podSpec() })
      await space.create('replicasets', replicaSet(1))
      await space.until('replicasets', 'set', ({ status }) => status.availableReplicas === 1)
      await space.update('replicasets', 'set', (object) => (object.spec.replicas = 2))
      await space.until('replicasets', 'set', ({ status }) => status.readyReplicas === 2)
      const patched = await space.patch('replicasets', 'set', {
        metadata: { labels: { 'test-rs': 'patched' } },
        spec: { replicas: 3, template: { spec: { terminationGracePeriodSeconds: 1 } } },
      })
      expect(patched.metadata.labels['test-rs']).toBe('patched')
      await space.until('replicasets', 'set', ({ status }) => status.readyReplicas === 3)
      await space.remove()
    })

    test('should list and delete a collection of ReplicaSets', async () => {
      const space = await bench().space()
      await space.create('replicasets', replicaSet(2))
      await space.until('replicasets', 'set', ({ status }) => status.replicas === 2)
      const all = await bench().api.ok('GET', '/apis/apps/v1/replicasets?labelSelector=app=set')
      expect(all.items.filter(({ metadata }: Loose) => metadata.namespace === space.namespace)).toHaveLength(1)
      await space.deleteCollection('replicasets', 'app=set')
      await space.untilGone('replicasets', 'set')
      await space.untilPods('app=set', (pods) => pods.length === 0)
      await space.remove()
    })

    test('should validate Replicaset Status endpoints', async () => {
      const space = await bench().space()
      await space.create('replicasets', replicaSet(1))
      await space.until('replicasets', 'set', ({ status }) => status.availableReplicas === 1)
      await statusEndpoints(space, 'replicasets', 'set')
      await space.remove()
    })
  })

export const replicationControllers = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] ReplicationController', () => {
    test('should serve a basic image on each replica with a public image', () =>
      servesBasicImage(bench(), 'replicationcontrollers', replicationController))

    test('should adopt matching pods on creation', () =>
      adoptsAndReleases(bench(), 'replicationcontrollers', replicationController))

    test('should release no longer matching pods', () =>
      adoptsAndReleases(bench(), 'replicationcontrollers', replicationController))

    test('should surface a failure condition on a common issue like exceeded quota', () =>
      surfacesFailure(bench(), 'replicationcontrollers', replicationController))

    test('should get and update a ReplicationController scale', async () => {
      const space = await bench().space()
      await space.create('replicationcontrollers', replicationController(1))
      await space.until('replicationcontrollers', 'set', ({ status }) => status.availableReplicas === 1)
      const scale = await space.get('replicationcontrollers', 'set/scale')
      expect(scale).toMatchObject({ apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: 1 } })
      const put = await space.update('replicationcontrollers', 'set/scale', (object) => (object.spec.replicas = 2))
      expect(put.spec.replicas).toBe(2)
      await space.until('replicationcontrollers', 'set', ({ status }) => status.availableReplicas === 2)
      await space.remove()
    })

    test('should test the lifecycle of a ReplicationController', async () => {
      const space = await bench().space()
      const resource = 'replicationcontrollers'
      await space.create(resource, replicationController(1))
      await space.until(resource, 'set', ({ status }) => status.readyReplicas === 1)
      const patched = await space.patch(resource, 'set', { metadata: { labels: { 'test-rc': 'patched' } } })
      expect(patched.metadata.labels['test-rc']).toBe('patched')
      const zero = await space.patch(resource, 'set/status', { status: { readyReplicas: 0, availableReplicas: 0 } })
      expect(zero.status.readyReplicas ?? 0).toBe(0)
      expect((await space.get(resource, 'set/status')).metadata.name).toBe('set')
      await space.until(resource, 'set', ({ status }) => status.availableReplicas === 1)
      await space.patch(resource, 'set/scale', { spec: { replicas: 2 } })
      await space.until(resource, 'set', ({ status }) => status.readyReplicas === 2)
      await space.update(resource, 'set', (object) => (object.spec.replicas = 1))
      await space.until(resource, 'set', ({ status }) => status.replicas === 1)
      expect(names(await space.list(resource, 'test-rc=patched'))).toEqual(['set'])
      await space.deleteCollection(resource, 'test-rc=patched')
      await space.untilGone(resource, 'set')
      await space.remove()
    })
  })
