import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Deployment, Pod, ReplicaSet } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { template, workload } from '../testing/objects.ts'
import { deploymentController } from './deployment.ts'
import { replicaSetController } from './replica-set.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [deploymentController, replicaSetController] })
  await cluster.addNode('one')
  await cluster.addNode('two')
})
afterEach(() => cluster.stop())

const deployment = (spec: object = {}) => workload({ replicas: 3, ...spec })

const pods = () => cluster.list<Pod>(refs.pods)
const images = () => pods().map((pod) => pod.spec!.containers![0]!.image)

async function expectQuiet() {
  const before = cluster.version()
  await cluster.pass(30_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
}

describe('ReplicaSet', () => {
  test('scales up and down, and then rests', async () => {
    await cluster.create(refs.replicaSets, { ...deployment(), metadata: { name: 'set' } })
    await cluster.pass()
    expect(pods()).toHaveLength(3)
    expect(cluster.get<ReplicaSet>(refs.replicaSets, 'set')?.status).toMatchObject({ readyReplicas: 3, replicas: 3 })
    await cluster.change<ReplicaSet>(refs.replicaSets, 'set', (set) => void (set.spec!.replicas = 1))
    await cluster.pass()
    expect(pods()).toHaveLength(1)
    await expectQuiet()
  })

  test('adopts orphans that match and releases what no longer does', async () => {
    await cluster.create(refs.pods, { metadata: { name: 'orphan', labels: { app: 'web' } }, spec: template().spec })
    await cluster.create(refs.replicaSets, { ...deployment({ replicas: 1 }), metadata: { name: 'set' } })
    await cluster.pass()
    expect(pods().map((pod) => pod.metadata.name)).toEqual(['orphan'])
    await cluster.change<Pod>(refs.pods, 'orphan', (pod) => void (pod.metadata.labels = { app: 'other' }))
    await cluster.pass()
    expect(pods()).toHaveLength(2)
    expect(cluster.get<Pod>(refs.pods, 'orphan')?.metadata.ownerReferences ?? []).toEqual([])
  })
})

describe('Deployment', () => {
  test('rolls without ever falling below its minimum, keeps its history and rests', async () => {
    await cluster.create(refs.deployments, deployment())
    await cluster.pass()
    expect(images()).toEqual(['nginx:1', 'nginx:1', 'nginx:1'])
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.template.spec!.containers![0]!.image = 'nginx:2'
    })
    let fewest = Infinity
    for (let second = 0; second < 20; second++) {
      await cluster.pass(1000)
      const ready = pods().filter((pod) =>
        pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      )
      fewest = Math.min(fewest, ready.length)
    }
    expect(fewest).toBeGreaterThanOrEqual(3)
    expect(images()).toEqual(['nginx:2', 'nginx:2', 'nginx:2'])
    expect(cluster.list<ReplicaSet>(refs.replicaSets)).toHaveLength(2)
    const status = cluster.get<Deployment>(refs.deployments, 'web')!.status!
    expect(status.conditions?.find((one) => one.type === 'Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
    })
    await expectQuiet()
  })

  test('Recreate never runs two versions at once', async () => {
    await cluster.create(refs.deployments, deployment({ strategy: { type: 'Recreate' } }))
    await cluster.pass()
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.template.spec!.containers![0]!.image = 'nginx:2'
    })
    for (let second = 0; second < 15; second++) {
      await cluster.pass(1000)
      expect(new Set(images()).size).toBeLessThanOrEqual(1)
    }
    expect(images()).toEqual(['nginx:2', 'nginx:2', 'nginx:2'])
    await expectQuiet()
  })

  test('a rollout that does not come up exceeds its deadline, and a roll back mends it under a new revision', async () => {
    await cluster.create(refs.deployments, deployment({ progressDeadlineSeconds: 60 }))
    await cluster.pass()
    cluster.kubelets.fate((pod) => (pod.spec!.containers![0]!.image === 'bad' ? 'running' : 'ready'))
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.template.spec!.containers![0]!.image = 'bad'
    })
    await cluster.pass(90_000)
    const conditions = () => cluster.get<Deployment>(refs.deployments, 'web')!.status!.conditions!
    expect(conditions().find((one) => one.type === 'Progressing')).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
    })
    expect(images().filter((image) => image === 'nginx:1').length).toBeGreaterThanOrEqual(3)
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.template.spec!.containers![0]!.image = 'nginx:1'
    })
    await cluster.pass(20_000)
    expect(images()).toEqual(['nginx:1', 'nginx:1', 'nginx:1'])
    const { annotations } = cluster.get<Deployment>(refs.deployments, 'web')!.metadata
    expect(annotations?.['deployment.kubernetes.io/revision']).toBe('3')
    await expectQuiet()
  })

  test('conditions of others stay in its status', async () => {
    await cluster.create(refs.deployments, deployment({ replicas: 1 }))
    await cluster.pass()
    const mine = { type: 'StatusUpdate', status: 'True', reason: 'Test' }
    await cluster.change<Deployment>(
      refs.deployments,
      'web',
      (one) => void one.status!.conditions!.push(mine),
      'status',
    )
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => void (one.spec!.replicas = 2))
    await cluster.pass()
    const { status } = cluster.get<Deployment>(refs.deployments, 'web')!
    expect(status).toMatchObject({ availableReplicas: 2 })
    expect(status!.conditions).toContainEqual(expect.objectContaining(mine))
    expect(status!.conditions!.map(({ type }) => type)).toEqual(['StatusUpdate', 'Available', 'Progressing'])
    await expectQuiet()
  })

  test('revisions are 64 bits wide', async () => {
    await cluster.create(refs.deployments, deployment({ replicas: 1 }))
    await cluster.pass()
    const [{ metadata }] = cluster.list<ReplicaSet>(refs.replicaSets) as [ReplicaSet]
    await cluster.change<ReplicaSet>(refs.replicaSets, metadata.name!, (set) => {
      set.metadata.annotations!['deployment.kubernetes.io/revision'] = '3546343826724305832'
    })
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.template.spec!.containers![0]!.image = 'nginx:2'
    })
    await cluster.pass(20_000)
    const { annotations } = cluster.get<Deployment>(refs.deployments, 'web')!.metadata
    expect(annotations?.['deployment.kubernetes.io/revision']).toBe('3546343826724305833')
    await expectQuiet()
  })

  test('paused, it scales but does not roll', async () => {
    await cluster.create(refs.deployments, deployment())
    await cluster.pass()
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => {
      one.spec!.paused = true
      one.spec!.replicas = 5
      one.spec!.template.spec!.containers![0]!.image = 'nginx:2'
    })
    await cluster.pass()
    expect(images()).toEqual(Array(5).fill('nginx:1'))
    await cluster.change<Deployment>(refs.deployments, 'web', (one) => void (one.spec!.paused = false))
    await cluster.pass(20_000)
    expect(images()).toEqual(Array(5).fill('nginx:2'))
    await expectQuiet()
  })

  test('a ReplicaSet of another template that has its name is evaded', async () => {
    await cluster.create(refs.deployments, deployment({ replicas: 1 }))
    await cluster.pass()
    const [first] = cluster.list<ReplicaSet>(refs.replicaSets)
    const { name } = first!.metadata
    await cluster.client.delete(refs.deployments, 'default', 'web')
    await cluster.client.delete(refs.replicaSets, 'default', name!)
    await cluster.create(refs.replicaSets, {
      ...workload({ replicas: 0, template: template('other') }),
      metadata: { name },
    })
    await cluster.create(refs.deployments, deployment({ replicas: 1 }))
    await cluster.pass()
    const { status } = cluster.get<Deployment>(refs.deployments, 'web')!
    expect(status?.collisionCount).toBe(1)
    expect(
      cluster
        .list<ReplicaSet>(refs.replicaSets)
        .map((set) => set.spec!.replicas)
        .toSorted(),
    ).toEqual([0, 1])
    await expectQuiet()
  })
})
