import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Job, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { createAbsence } from '../../absence.ts'
import { startCluster, type TestCluster } from '../../testing/cluster.ts'
import { job } from '../../testing/objects.ts'
import { isTracked } from './job-pods.ts'
import { jobController } from './job.ts'
import { jobOrphanPodsController } from './orphan-pods.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [jobController, jobOrphanPodsController(createAbsence(10_000))] })
  await cluster.addNode('one')
})
afterEach(() => cluster.stop())

const pods = () => cluster.list<Pod>(refs.pods)

test('pods whose job went are let go, so that they can end', async () => {
  const { metadata } = await cluster.create<Job>(refs.jobs, job({ parallelism: 2, completions: 2 }))
  await cluster.pass()
  expect(pods().every(isTracked)).toBe(true)
  await cluster.client.delete(refs.jobs, metadata.namespace!, metadata.name!, { propagationPolicy: 'Background' })
  await cluster.pass()
  expect(pods()).toHaveLength(2)
  expect(pods().filter(isTracked)).toEqual([])
})

test('pods whose job nobody has seen wait before they are let go', async () => {
  const { metadata } = await cluster.create<Job>(refs.jobs, job({ parallelism: 1, completions: 1 }))
  await cluster.pass()
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'late', uid: 'somebody-else', controller: true }
  await cluster.change<Pod>(
    refs.pods,
    pods()[0]!.metadata.name!,
    (pod) => void (pod.metadata.ownerReferences = [owner]),
  )
  await cluster.pass(5000)
  const late = () => pods().find((pod) => pod.metadata.ownerReferences![0]!.uid === 'somebody-else')!
  expect(isTracked(late())).toBe(true)
  await cluster.pass(6000)
  expect(isTracked(late())).toBe(false)
  expect(cluster.get<Job>(refs.jobs, metadata.name!)!.status!.active).toBe(1)
})

test('a pod that a job releases is no longer held by it, and one that it adopts is', async () => {
  await cluster.create<Job>(refs.jobs, job({ parallelism: 1, completions: 1 }))
  await cluster.pass()
  const [{ metadata }] = pods() as [Pod]
  await cluster.change<Pod>(refs.pods, metadata.name!, (pod) => void delete pod.metadata.labels)
  await cluster.pass()
  const released = cluster.get<Pod>(refs.pods, metadata.name!)!
  expect(released.metadata.ownerReferences ?? []).toEqual([])
  expect(isTracked(released)).toBe(false)
  await cluster.change<Pod>(refs.pods, metadata.name!, (pod) => void (pod.metadata.labels = metadata.labels))
  await cluster.pass()
  const adopted = cluster.get<Pod>(refs.pods, metadata.name!)!
  expect(adopted.metadata.ownerReferences).toHaveLength(1)
  expect(isTracked(adopted)).toBe(true)
})
