import { describe, expect, test } from 'vitest'
import type { Pod } from '../../../src/api/kinds.ts'
import {
  eventually,
  holds,
  images,
  isReady,
  type Loose,
  names,
  podSpec,
  type Space,
  type Workbench,
  workload,
} from './fixture.ts'
import { statusEndpoints } from './status-endpoints.ts'

const labels = { app: 'db' }

const statefulSet = (replicas: number, spec: object = {}): Loose =>
  workload('db', labels, { replicas, serviceName: 'db', ...spec })

const imagePatch = (image: string, more: object = {}): object => ({
  spec: { ...more, template: { spec: { containers: [{ name: 'app', image }] } } },
})

const imageOf = (pod: Pod): string => pod.spec!.containers[0]!.image!

/** Pods with all of their replicas running and ready, by ordinal. */
async function untilReady(space: Space, count: number): Promise<Pod[]> {
  const pods = await space.untilPods('app=db', (found) => found.length === count && found.every(isReady))
  return pods.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
}

async function breakProbes(space: Space): Promise<void> {
  const pods = await space.pods('app=db')
  await Promise.all(pods.map(({ metadata }) => space.sh(metadata.name!, 'rm -f /tmp/ready')))
  await space.untilPods('app=db', (found) => found.every((pod) => !isReady(pod)))
  await space.until('statefulsets', 'db', ({ status }) => !status.readyReplicas)
}

async function mendProbes(space: Space): Promise<void> {
  const pods = await space.pods('app=db')
  await Promise.all(pods.map(({ metadata }) => space.sh(metadata.name!, 'touch /tmp/ready')))
}

/** The names of pods in the order in which events of one type come; ends with `count`. */
async function orderOf(bench: Workbench, space: Space, type: 'ADDED' | 'DELETED', count: number): Promise<string[]> {
  const { metadata } = await bench.api.ok('GET', space.path('pods'))
  const from = `watch=1&resourceVersion=${metadata.resourceVersion}&labelSelector=app%3Ddb`
  const events = await bench.api.watch(
    `${space.path('pods')}?${from}`,
    (_, seen) => seen.filter((one) => one.type === type).length === count,
  )
  return events.filter((one) => one.type === type).map(({ object }) => object.metadata.name)
}

export const statefulSets = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] StatefulSet', () => {
    test('Scaling should happen in predictable order and halt if any stateful pod is unhealthy', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(1))
      await untilReady(space, 1)
      await breakProbes(space)
      await space.patch('statefulsets', 'db', { spec: { replicas: 3 } })
      await holds(2000, async () => expect(await space.pods('app=db')).toHaveLength(1))
      const up = orderOf(bench(), space, 'ADDED', 2)
      await mendProbes(space)
      await untilReady(space, 3)
      expect(await up).toEqual(['db-1', 'db-2'])
      await breakProbes(space)
      await space.patch('statefulsets', 'db', { spec: { replicas: 0 } })
      // All three are unhealthy; upstream deletes none before the lower ordinals are well again.
      await holds(2000, async () => expect(await space.pods('app=db')).toHaveLength(3))
      const down = orderOf(bench(), space, 'DELETED', 3)
      await mendProbes(space)
      expect(await down).toEqual(['db-2', 'db-1', 'db-0'])
      await space.remove()
    })

    test('Burst scaling should run to completion even with unhealthy pods', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(1, { podManagementPolicy: 'Parallel' }))
      await untilReady(space, 1)
      await breakProbes(space)
      await space.patch('statefulsets', 'db', { spec: { replicas: 3 } })
      await space.untilPods('app=db', (pods) => pods.length === 3)
      await untilRunning(space, 3)
      await mendProbes(space)
      await untilReady(space, 3)
      await breakProbes(space)
      await space.patch('statefulsets', 'db', { spec: { replicas: 0 } })
      await space.untilPods('app=db', (pods) => pods.length === 0)
      await space.until('statefulsets', 'db', ({ status }) => !status.replicas)
      await space.remove()
    })

    test('Should recreate evicted statefulset', async () => {
      const space = await bench().space()
      const [nodeName] = bench().nodes
      const ports = [{ name: 'conflict', containerPort: 21_017, hostPort: 21_017 }]
      const conflicting = (): Loose => {
        const spec = podSpec('sleep 100000', { nodeName })
        spec.containers[0].ports = ports
        return spec
      }
      await space.create('pods', { metadata: { name: 'test-pod' }, spec: conflicting() })
      await space.until('pods', 'test-pod', ({ status }) => status.phase === 'Running')
      const removals = orderOf(bench(), space, 'DELETED', 1)
      const set = statefulSet(1)
      set.spec.template.spec = conflicting()
      await space.create('statefulsets', set)
      expect(await removals).toEqual(['db-0'])
      await space.delete('pods', 'test-pod')
      await untilRunning(space, 1)
      await space.remove()
    })

    test('should have a working scale subresource', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(1))
      await untilReady(space, 1)
      await space.until('statefulsets', 'db', ({ status }) => status.replicas === 1)
      const scale = await space.get('statefulsets', 'db/scale')
      expect(scale).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 1 } })
      delete scale.metadata.resourceVersion
      scale.spec.replicas = 2
      expect(await space.send('PUT', 'statefulsets', 'db/scale', scale)).toMatchObject({
        code: 200,
        body: { spec: { replicas: 2 } },
      })
      expect((await space.get('statefulsets', 'db')).spec.replicas).toBe(2)
      await space.patch('statefulsets', 'db/scale', { spec: { replicas: 3 } })
      expect((await space.get('statefulsets', 'db')).spec.replicas).toBe(3)
      await space.remove()
    })

    test('should list, patch and delete a collection of StatefulSets', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(1))
      await untilReady(space, 1)
      const patched = await space.patch('statefulsets', 'db', {
        metadata: { labels: { 'test-ss': 'patched' } },
        spec: {
          replicas: 2,
          template: { spec: { TerminationGracePeriodSeconds: 1, containers: [{ name: 'app', image: images[1] }] } },
        },
      })
      expect(patched.metadata.labels['test-ss']).toBe('patched')
      expect(patched.spec.replicas).toBe(2)
      await space.until(
        'statefulsets',
        'db',
        ({ status }) => status.readyReplicas === 2 && status.updatedReplicas === 2,
      )
      const all = await bench().api.ok('GET', '/apis/apps/v1/statefulsets?labelSelector=test-ss=patched')
      expect(names(all.items)).toEqual(['db'])
      await space.deleteCollection('statefulsets', 'test-ss=patched')
      await space.untilGone('statefulsets', 'db')
      await space.remove()
    })

    test('should perform rolling updates and roll backs of template modifications', async () => {
      const space = await bench().space()
      await space.create('services', { metadata: { name: 'db' }, spec: { clusterIP: 'None', selector: labels } })
      await space.create('statefulsets', statefulSet(2))
      await untilReady(space, 2)
      const before = await space.until(
        'statefulsets',
        'db',
        ({ status }) => status.currentRevision === status.updateRevision,
      )
      const roll = async (image: string): Promise<Loose> => {
        const updates = orderOf(bench(), space, 'ADDED', 2)
        await space.patch('statefulsets', 'db', imagePatch(image))
        expect(await updates).toEqual(['db-1', 'db-0'])
        await space.untilPods(
          'app=db',
          (pods) => pods.length === 2 && pods.every((pod) => isReady(pod) && imageOf(pod) === image),
        )
        return space.until(
          'statefulsets',
          'db',
          ({ metadata, status }) =>
            status.observedGeneration === metadata.generation &&
            status.currentRevision === status.updateRevision &&
            status.currentReplicas === 2,
        )
      }
      const after = await roll(images[1])
      expect(after.status.currentRevision).not.toBe(before.status.currentRevision)
      const pods = await untilReady(space, 2)
      for (const pod of pods) expect(pod.metadata.labels!['controller-revision-hash']).toBe(after.status.updateRevision)
      const back = await roll(images[0])
      // A rollback is the old revision with a new number, not a third one.
      expect(back.status.currentRevision).toBe(before.status.currentRevision)
      expect(await space.list('controllerrevisions', 'app=db')).toHaveLength(2)
      await space.remove()
    })

    test('should perform canary updates and phased rolling updates of template modifications', async () => {
      const space = await bench().space()
      const partition = (value: number): object => ({
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: value } },
      })
      await space.create('statefulsets', statefulSet(3, { podManagementPolicy: 'Parallel', ...partition(3) }))
      await untilReady(space, 3)
      const { status: before } = await space.until(
        'statefulsets',
        'db',
        ({ status }) => status.currentRevision === status.updateRevision,
      )
      await space.patch('statefulsets', 'db', imagePatch(images[1]))
      const changed = await space.until(
        'statefulsets',
        'db',
        ({ status }) => status.updateRevision !== before.updateRevision,
      )
      const hashes = async (): Promise<string[]> =>
        (await untilReady(space, 3)).map(({ metadata }) =>
          metadata.labels!['controller-revision-hash'] === changed.status.updateRevision ? 'new' : 'old',
        )
      expect(await hashes()).toEqual(['old', 'old', 'old'])
      await space.patch('statefulsets', 'db', { spec: partition(2) })
      await eventually('the canary', async () => `${await hashes()}` === 'old,old,new')
      // Pods that go in the middle of it come back with the revision of their side of the partition.
      await Promise.all([space.delete('pods', 'db-2'), space.delete('pods', 'db-0')])
      await eventually('the same again', async () => `${await hashes()}` === 'old,old,new')
      await space.patch('statefulsets', 'db', { spec: partition(0) })
      await eventually('all of them', async () => `${await hashes()}` === 'new,new,new')
      await space.until('statefulsets', 'db', ({ status }) => status.currentRevision === status.updateRevision)
      await space.remove()
    })

    test('should implement legacy replacement when the update strategy is OnDelete', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(2, { updateStrategy: { type: 'OnDelete' } }))
      await untilReady(space, 2)
      await space.patch('statefulsets', 'db', imagePatch(images[1]))
      await space.until('statefulsets', 'db', ({ status }) => status.updateRevision !== status.currentRevision)
      await holds(1000, async () => expect((await space.pods('app=db')).map(imageOf)).toEqual([images[0], images[0]]))
      await space.deleteCollection('pods', 'app=db')
      await space.untilPods(
        'app=db',
        (pods) => pods.length === 2 && pods.every((pod) => isReady(pod) && imageOf(pod) === images[1]),
      )
      await space.remove()
    })

    test('should validate Statefulset Status endpoints', async () => {
      const space = await bench().space()
      await space.create('statefulsets', statefulSet(1))
      await untilReady(space, 1)
      await statusEndpoints(space, 'statefulsets', 'db')
      await space.remove()
    })
  })

const untilRunning = (space: Space, count: number): Promise<Pod[]> =>
  space.untilPods('app=db', (pods) => pods.filter(({ status }) => status?.phase === 'Running').length === count)
