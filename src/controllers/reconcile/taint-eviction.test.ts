import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Node, Pod, Taint, Toleration } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { template } from '../testing/objects.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'
import { createTaintTimes, evictions } from './taint-eviction.ts'

const key = 'example.com/evict'
const tolerating = (tolerationSeconds?: number): Toleration[] => [
  { key, operator: 'Exists', effect: 'NoExecute', ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }) },
]

describe('a taint that a user set, without a time', () => {
  let cluster: TestCluster
  beforeEach(async () => {
    cluster = await startCluster({ controllers: () => [nodeLifecycleController({ isAlive: () => true })] })
    await cluster.addNode('one')
  })
  afterEach(() => cluster.stop())

  const run = (name: string, tolerations: Toleration[]) =>
    cluster.create(refs.pods, { metadata: { name }, spec: { ...template().spec, nodeName: 'one', tolerations } })
  const taint = (taints: Taint[]) =>
    cluster.change<Node>(refs.nodes, 'one', (node) => void (node.spec = { ...node.spec, taints }))
  const left = () =>
    cluster
      .list<Pod>(refs.pods)
      .filter((pod) => !pod.metadata.deletionTimestamp)
      .map((pod) => pod.metadata.name)

  test('ends each pod when its toleration is over, and says why on the pod first', async () => {
    await run('none', [])
    await run('short', tolerating(5))
    await run('long', tolerating(60))
    await run('ever', tolerating())
    await cluster.pass(10_000)
    await taint([{ key, effect: 'NoExecute' }])
    await cluster.pass(1000)
    expect(left()).toEqual(['ever', 'long', 'short'])
    await cluster.pass(6000)
    expect(left()).toEqual(['ever', 'long'])
    await cluster.pass(60_000)
    expect(left()).toEqual(['ever'])
    expect(cluster.events.filter((one) => one.reason === 'TaintManagerEviction')).toHaveLength(3)
    expect(cluster.failures).toEqual([])
  })

  test('and took away again in time, ends none, and says that once', async () => {
    await run('short', tolerating(5))
    await cluster.pass()
    await taint([{ key, effect: 'NoExecute' }])
    await cluster.pass(3000)
    await taint([])
    await cluster.pass(10_000)
    expect(left()).toEqual(['short'])
    expect(cluster.events.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
      'TaintManagerEviction: Cancelling deletion of Pod default/short',
    ])
    await taint([{ key, effect: 'NoExecute' }])
    await cluster.pass(3000)
    expect(left()).toEqual(['short'])
    await cluster.pass(4000)
    expect(left()).toEqual([])
  })

  test('gives a pod that comes later its time from then on', async () => {
    await taint([{ key, effect: 'NoExecute' }])
    await cluster.pass(20_000)
    await run('late', tolerating(8))
    await cluster.pass(4000)
    expect(left()).toEqual(['late'])
    await cluster.pass(6000)
    expect(left()).toEqual([])
  })
})

const pod = (tolerations: Toleration[]): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'u', creationTimestamp: '1970-01-01T00:00:00Z' },
  spec: { containers: [], tolerations },
})

test('however often it is asked, a pod goes in the first look after its toleration is over, and in none before', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 7000 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: -3, max: 30 }),
      (pauses, seconds) => {
        const times = createTaintTimes()
        let nowMs = 1000
        const endMs = nowMs + Math.max(0, seconds) * 1000
        for (const pause of pauses) {
          const { actions, nextMs } = evictions(
            [pod(tolerating(seconds))],
            times('n', [{ key, effect: 'NoExecute' }], nowMs),
            new Set(),
            nowMs,
          )
          expect(actions.length > 0).toBe(nowMs >= endMs)
          if (nowMs < endMs) expect(nextMs).toBe(endMs - nowMs)
          nowMs += pause
        }
      },
    ),
  )
})

test('the first toleration that matches counts', () => {
  const taints = createTaintTimes()('n', [{ key, effect: 'NoExecute' }], 0)
  expect(evictions([pod([...tolerating(), ...tolerating(1)])], taints, new Set(), 5000).actions).toEqual([])
  expect(evictions([pod([...tolerating(1), ...tolerating()])], taints, new Set(), 5000).actions).not.toEqual([])
})
