import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Node, Pod, PodDisruptionBudget } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { listedInformers } from '../client/listed-informers.ts'
import { defaultProfile } from './default-profile.ts'
import { planRebalance } from './rebalance.ts'
import { snapshotOf } from './snapshot.ts'
import { makeNode, makePod, type PodOptions } from './testing/objects.ts'

const ready: Pod['status'] = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
const owned = (kind: string) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'o', uid: 'o', controller: true }],
})
const web = (name: string, nodeName: string, options: PodOptions = {}, kind = 'ReplicaSet'): Pod =>
  makePod(name, { cpu: '500m', labels: { app: 'web' }, nodeName, status: ready, metadata: owned(kind), ...options })

const budget = (disruptionsAllowed: number): PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'b', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
})

const plan = (nodes: Node[], pods: Pod[], budgets: PodDisruptionBudget[] = [], maxMoves = 20) => {
  const cluster = snapshotOf(
    listedInformers([
      [refs.nodes, nodes],
      [refs.pods, pods],
      [refs.podDisruptionBudgets, budgets],
    ]),
  )
  return { moves: planRebalance(cluster, { profile: defaultProfile, maxMoves }), cluster }
}

const nodes = ['a', 'b'].map((name) => makeNode(name, { cpu: '4', memory: '8Gi' }))
const crowd = Array.from({ length: 6 }, (_, index) => web(`web-${index}`, 'a'))

test('half of the pods go to a node that came back empty', () => {
  const { moves, cluster } = plan(nodes, crowd)
  expect(moves.map(({ from, to }) => [from, to])).toEqual(Array.from({ length: 3 }, () => ['a', 'b']))
  expect([cluster.node('a')!.pods.size, cluster.node('b')!.pods.size]).toEqual([3, 3])
})

test('none goes whose disruption budget allows none, and no more than are asked for', () => {
  expect(plan(nodes, crowd, [budget(1)]).moves).toHaveLength(3)
  expect(plan(nodes, crowd, [budget(0)]).moves).toEqual([])
  expect(plan(nodes, crowd, [], 2).moves).toHaveLength(2)
})

test.each<[string, Pod[]]>([
  ['pods of a DaemonSet', crowd.map(({ metadata }) => web(metadata.name!, 'a', {}, 'DaemonSet'))],
  ['pods that nobody makes anew', crowd.map(({ metadata }) => web(metadata.name!, 'a', { metadata: {} }))],
  ['pods that are not ready', crowd.map(({ metadata }) => web(metadata.name!, 'a', { status: { phase: 'Running' } }))],
  [
    'pods with data on their node',
    crowd.map(({ metadata }) => web(metadata.name!, 'a', { spec: { volumes: [{ name: 'v', emptyDir: {} }] } })),
  ],
  [
    'pods that fit nowhere else',
    crowd.map(({ metadata }) =>
      web(metadata.name!, 'a', { spec: { nodeSelector: { 'kubernetes.io/hostname': 'a' } } }),
    ),
  ],
])('%s stay', (_, pods) => {
  expect(plan(nodes, pods).moves).toEqual([])
})

test('after a plan there is nothing left to move, no pod went twice, and the fullest node is no fuller than before', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 4 })
  fc.assert(
    fc.property(sizes, (counts) => {
      const many = counts.map((_, index) => makeNode(`n${index}`, { cpu: '4', memory: '8Gi' }))
      const pods = counts.flatMap((count, node) =>
        Array.from({ length: count }, (__, index) => web(`p${node}-${index}`, `n${node}`)),
      )
      const { moves, cluster } = plan(many, pods)
      expect(new Set(moves.map(({ pod }) => pod.metadata.uid)).size).toBe(moves.length)
      const after = many.map(({ metadata }) => cluster.node(metadata.name!)!.pods.size)
      expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...counts))
      const moved = pods.map((pod) => ({
        ...pod,
        spec: { ...pod.spec!, nodeName: cluster.nodeOf(pod.metadata.uid!)! },
      }))
      expect(plan(many, moved).moves).toEqual([])
    }),
    { numRuns: 40 },
  )
})
