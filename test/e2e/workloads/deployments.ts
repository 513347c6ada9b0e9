import { describe, expect, test } from 'vitest'
import {
  eventually,
  images,
  isComplete,
  isReady,
  type Loose,
  names,
  podSpec,
  template,
  type Workbench,
  workload,
} from './fixture.ts'
import { statusEndpoints } from './status-endpoints.ts'

const labels = { app: 'web' }
const imagePatch = (image: string): object => ({
  spec: { template: { spec: { containers: [{ name: 'app', image }] } } },
})

export const deployments = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] Deployment', () => {
    test('Deployment should have a working scale subresource', async () => {
      const space = await bench().space()
      await space.create('deployments', workload('web', labels, { replicas: 1 }))
      await space.until('deployments', 'web', isComplete)
      const scale = await space.get('deployments', 'web/scale')
      expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { replicas: 1 } })
      delete scale.metadata.resourceVersion
      scale.spec.replicas = 2
      expect((await space.send('PUT', 'deployments', 'web/scale', scale)).body.spec.replicas).toBe(2)
      expect((await space.get('deployments', 'web')).spec.replicas).toBe(2)
      await space.patch('deployments', 'web/scale', { spec: { replicas: 3 } })
      expect((await space.get('deployments', 'web')).spec.replicas).toBe(3)
      await space.remove()
    })

    test('RecreateDeployment should delete old pods and create new ones', async () => {
      const space = await bench().space()
      await space.create('deployments', workload('web', labels, { replicas: 2, strategy: { type: 'Recreate' } }))
      await space.until('deployments', 'web', isComplete)
      const old = new Set(names(await space.pods('app=web')))
      const seen = bench().api.watch(`${space.path('pods')}?watch=1&timeoutSeconds=60`, ({ object }, events) => {
        const alive = new Map<string, Loose>()
        for (const event of events) {
          if (event.type === 'DELETED') alive.delete(event.object.metadata.name)
          else alive.set(event.object.metadata.name, event.object)
        }
        // Never an old pod that runs beside a new one.
        const news = [...alive.keys()].filter((name) => !old.has(name))
        if (news.length > 0 && news.length < alive.size) throw new Error(`together: ${[...alive.keys()]}`)
        return !old.has(object.metadata.name) && isReady(object)
      })
      await space.patch('deployments', 'web', imagePatch(images[1]))
      await seen
      await space.until('deployments', 'web', isComplete)
      await space.remove()
    })

    test('RollingUpdateDeployment should delete old pods and create new ones', async () => {
      const space = await bench().space()
      // A ReplicaSet that was there before is adopted, and becomes the old one.
      await space.create('replicasets', workload('test-rolling', labels, { replicas: 1 }))
      await space.until('replicasets', 'test-rolling', ({ status }) => status.availableReplicas === 1)
      await space.patch('replicasets', 'test-rolling', {
        metadata: { annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' } },
      })
      const deployment = workload('web', labels, { replicas: 1 })
      deployment.spec.template.spec.containers[0].image = images[1]
      await space.create('deployments', deployment)
      const done = await space.until('deployments', 'web', isComplete)
      expect(done.metadata.annotations['deployment.kubernetes.io/revision']).toBe('3546343826724305833')
      const sets = await space.list('replicasets', 'app=web')
      expect(sets).toHaveLength(2)
      const old = sets.find(({ metadata }) => metadata.name === 'test-rolling')
      expect(old.spec.replicas).toBe(0)
      expect(old.metadata.ownerReferences[0]).toMatchObject({ kind: 'Deployment', uid: done.metadata.uid })
      await space.remove()
    })

    test('deployment should delete old replica sets', async () => {
      const space = await bench().space()
      await space.create('replicasets', workload('test-cleanup', labels, { replicas: 1 }))
      await space.until('replicasets', 'test-cleanup', ({ status }) => status.availableReplicas === 1)
      const deployment = workload('web', labels, { replicas: 1, revisionHistoryLimit: 0 })
      deployment.spec.template.spec.containers[0].image = images[1]
      await space.create('deployments', deployment)
      await space.until('deployments', 'web', isComplete)
      await eventually('one replica set', async () => (await space.list('replicasets', 'app=web')).length === 1)
      await space.remove()
    })

    test('deployment should support rollover', async () => {
      const space = await bench().space()
      const rolling = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
      await space.create('deployments', workload('web', labels, { replicas: 1, strategy: rolling }))
      await space.until('deployments', 'web', isComplete)
      await space.patch('deployments', 'web', imagePatch('stormo-nowhere:1'))
      await space.until('deployments', 'web', ({ status }) => status.updatedReplicas === 1 && status.replicas === 2)
      await space.patch('deployments', 'web', imagePatch(images[1]))
      await space.until('deployments', 'web', isComplete)
      const sets = await space.list('replicasets', 'app=web')
      expect(sets).toHaveLength(3)
      for (const { metadata, spec, status } of sets) {
        const isNew = spec.template.spec.containers[0].image === images[1]
        expect(spec.replicas, metadata.name).toBe(isNew ? 1 : 0)
        expect(status.replicas, metadata.name).toBe(isNew ? 1 : 0)
      }
      await space.remove()
    })

    test('deployment should support proportional scaling', async () => {
      const space = await bench().space()
      const rolling = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } }
      const deployment = workload('web', labels, { replicas: 10, strategy: rolling })
      deployment.spec.template.spec = podSpec()
      await space.create('deployments', deployment)
      await space.until('deployments', 'web', ({ status }) => status.availableReplicas === 10)
      await space.patch('deployments', 'web', imagePatch('stormo-nowhere:1'))
      const sizes = async (): Promise<number[]> => {
        const sets = await space.list('replicasets', 'app=web')
        const ofImage = (image: string): number =>
          sets.find(({ spec }) => spec.template.spec.containers[0].image === image)?.spec.replicas ?? -1
        return [ofImage(images[0]), ofImage('stormo-nowhere:1')]
      }
      await eventually('8 old and 5 new', async () => `${await sizes()}` === '8,5')
      await space.until('deployments', 'web', ({ status }) => status.availableReplicas === 8 && status.replicas === 13)
      await space.patch('deployments', 'web', { spec: { replicas: 30 } })
      // 33 in all: the surplus of 20 in proportion to 8 and 5. The template's pods are too many to start for that.
      await eventually('20 old and 13 new', async () => `${await sizes()}` === '20,13')
      await space.patch('deployments', 'web', { spec: { replicas: 0 } })
      await space.remove()
    })

    test('should run the lifecycle of a Deployment', async () => {
      const space = await bench().space()
      const made = await space.create(
        'deployments',
        workload('web', { ...labels, 'test-deployment-static': 'true' }, { replicas: 2 }),
      )
      await space.until('deployments', 'web', ({ status }) => status.readyReplicas === 2)
      const pause = { terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: images[1] }] }
      await space.patch('deployments', 'web', {
        metadata: { labels: { 'test-deployment': 'patched' } },
        spec: { replicas: 1, template: { spec: pause } },
      })
      await space.until('deployments', 'web', isComplete)
      const everywhere = await bench().api.ok(
        'GET',
        '/apis/apps/v1/deployments?labelSelector=test-deployment-static=true',
      )
      expect(names(everywhere.items)).toEqual(['web'])
      await space.update('deployments', 'web', (object) => (object.spec.replicas = 2))
      await space.until('deployments', 'web', ({ status }) => status.readyReplicas === 2)
      const status = await space.get('deployments', 'web/status')
      expect(status.status.readyReplicas).toBe(2)
      // Labels are not the status's: they stay as they are.
      const patched = await space.patch('deployments', 'web/status', {
        metadata: { labels: { 'test-deployment': 'patched-status' } },
        status: { readyReplicas: 1 },
      })
      expect(patched.metadata.labels['test-deployment']).toBe('patched')
      await space.until('deployments', 'web', (object) => object.status.readyReplicas === 2)
      await space.deleteCollection('deployments', 'test-deployment-static=true')
      await space.untilGone('deployments', 'web')
      await space.untilPods('app=web', (pods) => pods.length === 0)
      expect(made.metadata.generation).toBe(1)
      await space.remove()
    })

    test('should validate Deployment Status endpoints', async () => {
      const space = await bench().space()
      await space.create('deployments', workload('web', labels, { replicas: 1 }))
      await space.until('deployments', 'web', isComplete)
      await statusEndpoints(space, 'deployments', 'web')
      await space.remove()
    })

    test('iterative rollouts should eventually progress', async () => {
      const space = await bench().space()
      await space.create('deployments', workload('web', labels, { replicas: 2, revisionHistoryLimit: 2 }))
      for (const round of [1, 2, 3, 4, 5]) {
        await space.patch('deployments', 'web', {
          spec: {
            replicas: 1 + (round % 3),
            paused: round === 3,
            template: {
              spec: { containers: [{ name: 'app', image: images[0], env: [{ name: 'ROUND', value: `${round}` }] }] },
            },
          },
        })
        if (round % 2 === 0) await space.deleteCollection('pods', 'app=web')
      }
      const done = await space.until('deployments', 'web', isComplete)
      expect(done.status.conditions).toContainEqual(
        expect.objectContaining({ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' }),
      )
      await space.remove()
    })

    test('test Deployment ReplicaSet orphaning and adoption regarding controllerRef', async () => {
      const space = await bench().space()
      await space.create('deployments', workload('web', labels, { replicas: 1 }))
      await space.until('deployments', 'web', isComplete)
      const [set] = await space.list('replicasets', 'app=web')
      await space.delete('deployments', 'web', { propagationPolicy: 'Orphan' })
      await space.untilGone('deployments', 'web')
      expect((await space.get('replicasets', set.metadata.name)).metadata.ownerReferences ?? []).toEqual([])
      const again = await space.create('deployments', workload('web', labels, { replicas: 1 }))
      await space.until(
        'replicasets',
        set.metadata.name,
        ({ metadata }) => metadata.ownerReferences?.[0]?.uid === again.metadata.uid,
      )
      expect(await space.list('replicasets', 'app=web')).toHaveLength(1)
      await space.remove()
    })

    test('should report a rollout that makes no progress, and roll back by the template of before', async () => {
      const space = await bench().space()
      await space.create(
        'deployments',
        workload('web', labels, { replicas: 1, progressDeadlineSeconds: 3, template: template(labels) }),
      )
      await space.until('deployments', 'web', isComplete)
      await space.patch('deployments', 'web', imagePatch('stormo-nowhere:1'))
      await space.until('deployments', 'web', ({ status }) =>
        status.conditions.some((one: Loose) => one.type === 'Progressing' && one.reason === 'ProgressDeadlineExceeded'),
      )
      const { code, stderr } = await bench().kubectl('rollout', 'undo', '-n', space.namespace, 'deployment/web')
      expect(code, stderr).toBe(0)
      const done = await space.until('deployments', 'web', isComplete)
      expect(done.metadata.annotations['deployment.kubernetes.io/revision']).toBe('3')
      await space.remove()
    })
  })
