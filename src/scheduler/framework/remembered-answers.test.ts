import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { defaultProfile } from '../default-profile.ts'
import { makeNode, makePod, makeSurroundings } from '../testing/objects.ts'
import { type Cluster, createCluster } from './cluster.ts'
import { failureMessage } from './failure-message.ts'
import { podInfoOf } from './pod-info.ts'
import { preempt } from './preemption.ts'
import { schedule } from './schedule.ts'

const nodeNames = ['n0', 'n1', 'n2', 'n3']
const node = fc.constantFrom(...nodeNames)
const which = fc.nat(7)
const size = fc.record({ cpu: fc.constantFrom('300m', '500m', '900m'), priority: fc.nat(3) })

type Size = { cpu: string; priority: number }
type Step =
  | { do: 'place'; pod: number; node: string; size: Size }
  | { do: 'nominate'; pod: number; node: string; size: Size }
  | { do: 'remove'; pod: number }
  | { do: 'forget'; pod: number }
  | { do: 'ask'; pod: number; size: Size }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('place' as const), pod: which, node, size }),
  fc.record({ do: fc.constant('nominate' as const), pod: which, node, size }),
  fc.record({ do: fc.constant('remove' as const), pod: which }),
  fc.record({ do: fc.constant('forget' as const), pod: which }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), pod: which, size }) },
)

const podOf = (pod: number, { cpu, priority }: Size): Pod => makePod(`p${pod}`, { cpu, priority })
const uidOf = (pod: number): string => podOf(pod, { cpu: '1', priority: 0 }).metadata.uid!

function empty(): Cluster {
  const cluster = createCluster(makeSurroundings())
  for (const name of nodeNames) cluster.setNode(makeNode(name, { cpu: '1' }))
  return cluster
}

/** Everything that is said about one pod: how many nodes take it, or why none, and whom it would drive out. */
function answer(cluster: Cluster, pod: Pod): unknown {
  const info = podInfoOf(pod)
  const nominatedNode = cluster.nominationOf(info.uid)
  const outcome = schedule(info, cluster, defaultProfile, { start: 0, chance: 0, nominatedNode })
  // Which of equal ones is taken hangs on the order in which they are looked at.
  if (outcome.node) return outcome.feasibleCount
  const { diagnosis } = outcome
  const result = preempt(info, cluster, defaultProfile, diagnosis, 0)
  const { candidate } = result
  return [
    failureMessage(diagnosis),
    [...diagnosis.plugins].toSorted(),
    candidate ? [candidate.node.name, candidate.violations, candidate.victims.map(({ uid }) => uid)] : result,
  ]
}

test('what is remembered of nodes and promises is what a fresh look would find', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const live = empty()
      const placed = new Map<string, [Pod, string]>()
      const promised = new Map<string, [Pod, string]>()
      for (const one of steps) {
        const uid = uidOf(one.pod)
        if (one.do === 'place') {
          live.place(podOf(one.pod, one.size), one.node)
          placed.delete(uid)
          placed.set(uid, [podOf(one.pod, one.size), one.node])
        } else if (one.do === 'nominate') {
          if (placed.has(uid)) continue
          live.nominate(podOf(one.pod, one.size), one.node)
          promised.delete(uid)
          promised.set(uid, [podOf(one.pod, one.size), one.node])
        } else if (one.do === 'remove') {
          live.remove(uid)
          placed.delete(uid)
        } else if (one.do === 'forget') {
          live.forgetNomination(uid)
          promised.delete(uid)
        } else if (!placed.has(uid)) {
          const fresh = empty()
          for (const [pod, name] of placed.values()) fresh.place(structuredClone(pod), name)
          for (const [pod, name] of promised.values()) fresh.nominate(structuredClone(pod), name)
          const pod = podOf(one.pod, one.size)
          expect(answer(live, pod)).toEqual(answer(fresh, pod))
          // And again, now that everything is remembered.
          expect(answer(live, pod)).toEqual(answer(fresh, pod))
        }
      }
    }),
    { numRuns: 300 },
  )
})
