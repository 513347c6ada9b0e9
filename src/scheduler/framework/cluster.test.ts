import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { defaultProfile } from '../default-profile.ts'
import { affinityTerm, makeNode, makePod, makeSurroundings } from '../testing/objects.ts'
import { type Cluster, createCluster } from './cluster.ts'
import { explain } from './explain.ts'
import { podInfoOf } from './pod-info.ts'
import { preempt } from './preemption.ts'
import { schedule } from './schedule.ts'

const hostKey = 'kubernetes.io/hostname'
const zoneKey = 'topology.kubernetes.io/zone'

/** What may happen to a cluster of a few nodes and pods. */
type Step =
  | { do: 'place'; pod: number; node: number; app: string; shape: number }
  | { do: 'remove'; pod: number }
  | { do: 'node'; node: number; zone: string }
  | { do: 'no-node'; node: number }
  | { do: 'ask'; app: string; shape: number }

const small = fc.nat(5)
const app = fc.constantFrom('web', 'db')
const shape = fc.nat(5)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('place' as const), pod: fc.nat(9), node: small, app, shape }),
  fc.record({ do: fc.constant('remove' as const), pod: fc.nat(9) }),
  fc.record({ do: fc.constant('node' as const), node: small, zone: fc.constantFrom('x', 'y') }),
  fc.record({ do: fc.constant('no-node' as const), node: small }),
  fc.record({ do: fc.constant('ask' as const), app, shape }),
)

/** Pods whose placing depends on others in one way each. */
function shaped(name: string, app: string, shape: number): Pod {
  const term = affinityTerm({ app }, shape % 2 === 0 ? hostKey : zoneKey)
  const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] }
  const preferred = {
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, podAffinityTerm: term }],
  }
  const affinity =
    shape < 2 ? { podAntiAffinity: required } : shape === 2 ? { podAffinity: required } : { podAffinity: preferred }
  const spread = {
    topologySpreadConstraints: [
      { topologyKey: zoneKey, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app } } },
    ],
  }
  return makePod(name, { cpu: '500m', labels: { app }, spec: shape === 4 ? spread : shape === 5 ? {} : { affinity } })
}

/** The same cluster, built in one go. */
function rebuilt(nodes: ReadonlyMap<number, string>, pods: ReadonlyMap<number, [Pod, string]>): Cluster {
  const cluster = createCluster(makeSurroundings())
  for (const [node, zone] of nodes) cluster.setNode(makeNode(`n${node}`, { zone, cpu: '1' }))
  for (const [pod, nodeName] of pods.values()) cluster.place(structuredClone(pod), nodeName)
  return cluster
}

describe('a cluster that is kept up to date', () => {
  test('answers as one that was built in one go, whatever happened', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const live = createCluster(makeSurroundings())
        const nodes = new Map<number, string>()
        const pods = new Map<number, [Pod, string]>()
        for (const one of steps) {
          if (one.do === 'node') {
            nodes.set(one.node, one.zone)
            live.setNode(makeNode(`n${one.node}`, { zone: one.zone, cpu: '1' }))
          } else if (one.do === 'no-node') {
            nodes.delete(one.node)
            live.removeNode(`n${one.node}`)
          } else if (one.do === 'place') {
            const pod = shaped(`p${one.pod}`, one.app, one.shape)
            pods.set(one.pod, [pod, `n${one.node}`])
            live.place(pod, `n${one.node}`)
          } else if (one.do === 'remove') {
            pods.delete(one.pod)
            live.remove(`default-p${one.pod}`)
          } else {
            const pod = podInfoOf(shaped('new', one.app, one.shape))
            expect(explain(pod, live, defaultProfile)).toEqual(explain(pod, rebuilt(nodes, pods), defaultProfile))
            const outcome = schedule(pod, live, defaultProfile, { start: 0, chance: 0 })
            const { nodes: rows } = explain(pod, live, defaultProfile)
            // What is chosen is the best that the table shows.
            if (outcome.node) {
              const best = rows.find(({ name }) => name === outcome.node!.name)
              expect(best?.fits).toBe(true)
              expect(best?.total).toBe(rows[0]?.total)
            } else expect(rows.some(({ fits }) => fits)).toBe(false)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  test('trying preemption leaves everything as it was, and what it proposes works', () => {
    const placement = fc.record({ node: fc.nat(2), app, shape, priority: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(placement, { maxLength: 12 }), app, shape, (placements, app, shape) => {
        const cluster = createCluster(makeSurroundings())
        for (let node = 0; node < 3; node++)
          cluster.setNode(makeNode(`n${node}`, { zone: node === 0 ? 'x' : 'y', cpu: '1' }))
        for (const [index, one] of placements.entries()) {
          const pod = shaped(`p${index}`, one.app, one.shape)
          cluster.place({ ...pod, spec: { ...pod.spec!, priority: one.priority } }, `n${one.node}`)
        }
        const wanted = shaped('new', app, shape)
        const pod = podInfoOf({ ...wanted, spec: { ...wanted.spec!, priority: 2 } })
        const outcome = schedule(pod, cluster, defaultProfile, { start: 0, chance: 0 })
        if (outcome.node) return
        const before = explain(pod, cluster, defaultProfile)
        const result = preempt(pod, cluster, defaultProfile, outcome.diagnosis, 0)
        expect(explain(pod, cluster, defaultProfile)).toEqual(before)
        if (!result.candidate) return
        const { node, victims } = result.candidate
        expect(victims.length).toBeGreaterThan(0)
        for (const victim of victims) {
          expect(victim.priority).toBeLessThan(2)
          cluster.remove(victim.uid)
        }
        const after = explain(pod, cluster, defaultProfile).nodes.find(({ name }) => name === node.name)
        expect(after?.fits).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

test('a kind of pod that found no room is told of every change that makes some', () => {
  const cluster = createCluster(makeSurroundings())
  const chosen = (): string | undefined =>
    schedule(podInfoOf(makePod('new', { cpu: '1' })), cluster, defaultProfile, { start: 0, chance: 0 }).node?.name
  for (const name of ['a', 'b']) {
    cluster.setNode(makeNode(name, { cpu: '1' }))
    cluster.place(makePod(`on-${name}`, { cpu: '1' }), name)
  }
  expect(chosen()).toBeUndefined()
  cluster.remove('default-on-b')
  expect(chosen()).toBe('b')
  cluster.place(makePod('again', { cpu: '1' }), 'b')
  expect(chosen()).toBeUndefined()
  cluster.setNode(makeNode('a', { cpu: '2' }))
  expect(chosen()).toBe('a')
  cluster.setNode(makeNode('a', { cpu: '2', spec: { unschedulable: true } }))
  expect(chosen()).toBeUndefined()
  cluster.setNode(makeNode('c', { cpu: '1' }))
  expect(chosen()).toBe('c')
  cluster.removeNode('c')
  expect(chosen()).toBeUndefined()
})

test('nodes come in turn from each zone', () => {
  const cluster = createCluster(makeSurroundings())
  for (const [name, zone] of [
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'y'],
    ['d', 'x'],
  ] as const)
    // prettier-ignore
    cluster.setNode(makeNode(name, { zone }))
  expect(cluster.nodes.map(({ name }) => name)).toEqual(['a', 'c', 'b', 'd'])
})
