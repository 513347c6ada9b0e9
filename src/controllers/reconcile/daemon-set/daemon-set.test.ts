import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DaemonSet, Node, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { startCluster, type TestCluster } from '../../testing/cluster.ts'
import { template, workload } from '../../testing/objects.ts'
import { daemonSetController } from './daemon-set.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster({ controllers: () => [daemonSetController] })
  for (const name of ['one', 'two', 'three']) await cluster.addNode(name)
})
afterEach(() => cluster.stop())

const pods = () => cluster.list<Pod>(refs.pods)
const placed = () =>
  pods()
    .map((pod) => pod.spec!.nodeName)
    .toSorted()
const status = () => cluster.get<DaemonSet>(refs.daemonSets, 'web')!.status!
const readyNow = () =>
  new Set(
    pods()
      .filter((pod) => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
      .map((pod) => pod.spec!.nodeName),
  ).size
const setImage = (image: string) =>
  cluster.change<DaemonSet>(refs.daemonSets, 'web', (one) => {
    one.spec!.template.spec!.containers![0]!.image = image
  })
const taint = (node: string, effect: string) =>
  cluster.change<Node>(refs.nodes, node, (one) => {
    one.spec = { ...one.spec, taints: [{ key: 'special', effect }] }
  })

async function expectQuiet() {
  const before = cluster.version()
  await cluster.pass(20_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
}

test('runs one pod on every node, and on nodes that join', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  expect(placed()).toEqual(['one', 'three', 'two'])
  await cluster.addNode('four')
  await cluster.pass()
  expect(placed()).toEqual(['four', 'one', 'three', 'two'])
  expect(status()).toMatchObject({
    desiredNumberScheduled: 4,
    currentNumberScheduled: 4,
    numberReady: 4,
    numberAvailable: 4,
    updatedNumberScheduled: 4,
  })
  await expectQuiet()
})

test('follows node labels and taints: NoSchedule lets a daemon stay, NoExecute does not', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  await taint('one', 'NoSchedule')
  await taint('two', 'NoExecute')
  await cluster.pass()
  expect(placed()).toEqual(['one', 'three'])
  expect(status()).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 })
  await cluster.change<DaemonSet>(refs.daemonSets, 'web', (one) => {
    one.spec!.template.spec!.nodeSelector = { disk: 'ssd' }
  })
  await cluster.pass()
  expect(placed()).toEqual([])
  await cluster.change<Node>(refs.nodes, 'three', (node) => void (node.metadata.labels!['disk'] = 'ssd'))
  await cluster.pass()
  expect(placed()).toEqual(['three'])
  await expectQuiet()
})

test('tolerates what befalls nodes', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const tolerated = pods()[0]!.spec!.tolerations!.map((one) => `${one.key}:${one.effect}`)
  expect(tolerated).toEqual(
    expect.arrayContaining([
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unschedulable:NoSchedule',
    ]),
  )
})

test('rolls one node at a time by default', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  await setImage('nginx:2')
  let fewest = 3
  for (let second = 0; second < 30; second++) {
    await cluster.pass(1000)
    fewest = Math.min(fewest, readyNow())
  }
  expect(fewest).toBe(2)
  expect(new Set(pods().map((pod) => pod.spec!.containers![0]!.image))).toEqual(new Set(['nginx:2']))
  expect(status().updatedNumberScheduled).toBe(3)
  await expectQuiet()
})

test('with surge the new pod is there before the old one goes', async () => {
  await cluster.create(
    refs.daemonSets,
    workload({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
  )
  await cluster.pass()
  await setImage('nginx:2')
  let fewest = 3
  let most = 0
  for (let second = 0; second < 30; second++) {
    await cluster.pass(1000)
    fewest = Math.min(fewest, readyNow())
    most = Math.max(most, pods().filter((pod) => !pod.metadata.deletionTimestamp).length)
  }
  expect([fewest, most]).toEqual([3, 4])
  expect(pods().map((pod) => pod.spec!.containers![0]!.image)).toEqual(Array(3).fill('nginx:2'))
  await expectQuiet()
})

test('OnDelete replaces only what the user deletes', async () => {
  await cluster.create(refs.daemonSets, workload({ updateStrategy: { type: 'OnDelete' } }))
  await cluster.pass()
  await setImage('nginx:2')
  await cluster.pass(10_000)
  expect(new Set(pods().map((pod) => pod.spec!.containers![0]!.image))).toEqual(new Set(['nginx:1']))
  await cluster.client.delete(refs.pods, 'default', pods()[0]!.metadata.name!)
  await cluster.pass(10_000)
  expect(
    pods()
      .map((pod) => pod.spec!.containers![0]!.image)
      .toSorted(),
  ).toEqual(['nginx:1', 'nginx:1', 'nginx:2'])
})

test('replaces a failed daemon and removes a second one of a node', async () => {
  await cluster.create(refs.daemonSets, workload())
  await cluster.pass()
  const victim = pods()[0]!.metadata.name!
  await cluster.change<Pod>(refs.pods, victim, (pod) => void (pod.status!.phase = 'Failed'), 'status')
  await cluster.create(refs.pods, {
    metadata: { name: 'second', labels: { app: 'web' } },
    spec: { ...template().spec, nodeName: 'two' },
  })
  await cluster.pass(10_000)
  expect(placed()).toEqual(['one', 'three', 'two'])
  expect(cluster.events.map((event) => event.reason)).toContain('FailedDaemonPod')
  await expectQuiet()
})
