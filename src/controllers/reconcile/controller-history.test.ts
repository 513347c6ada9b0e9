import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ControllerRevision, DaemonSet } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { workload } from '../testing/objects.ts'
import { daemonSetController } from './daemon-set/daemon-set.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [daemonSetController] })
  await cluster.addNode('one')
})
afterEach(() => cluster.stop())

const revisions = () => cluster.list<ControllerRevision>(refs.controllerRevisions)
const status = () => cluster.get<DaemonSet>(refs.daemonSets, 'web')!.status!

/** As upstream's daemon.getPatch does it: Go writes the keys of a map in order. */
const patchOf = (set: DaemonSet): string => {
  const inOrder = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return JSON.stringify({ spec: { template: { ...set.spec!.template, $patch: 'replace' } } }, inOrder)
}

test('the data of the present revision is, byte by byte, the patch that clients look for', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const set = cluster.get<DaemonSet>(refs.daemonSets, 'web')!
  expect(revisions().map((one) => JSON.stringify(one.data))).toEqual([patchOf(set)])
})

test('adopts the revisions that a deleted owner of the same selector left behind', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const [left] = revisions()
  await cluster.change<ControllerRevision>(
    refs.controllerRevisions,
    left!.metadata.name!,
    (one) => void (one.metadata.ownerReferences = []),
  )
  await cluster.change<DaemonSet>(refs.daemonSets, 'web', (one) => void (one.metadata.annotations = { seen: 'yes' }))
  await cluster.pass()
  expect(revisions().map(({ metadata }) => metadata.ownerReferences?.[0]?.kind)).toEqual(['DaemonSet'])
  expect(revisions()[0]!.metadata.uid).toBe(left!.metadata.uid)
})

test('makes its revision again when somebody deleted it', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const [first] = revisions()
  await cluster.client.delete(refs.controllerRevisions, 'default', first!.metadata.name!)
  await cluster.pass()
  expect(revisions().map(({ metadata }) => metadata.name)).toEqual([first!.metadata.name])
})

test('a name that other data has taken is passed over, and counted', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const [first] = revisions()
  await cluster.client.delete(refs.daemonSets, 'default', 'web')
  await cluster.client.delete(refs.controllerRevisions, 'default', first!.metadata.name!)
  await cluster.pass()
  await cluster.create(refs.controllerRevisions, {
    metadata: { name: first!.metadata.name! },
    data: { spec: 'another' },
    revision: 1,
  })
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  expect(status().collisionCount).toBe(1)
  expect(revisions()).toHaveLength(2)
  expect(status()).toMatchObject({ updatedNumberScheduled: 1, numberReady: 1 })
})
