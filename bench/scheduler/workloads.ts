import type { Pod } from '../../src/api/kinds.ts'
import { affinityTerm, makeNode, makePod } from '../../src/scheduler/testing/objects.ts'

/** One measured case, in the manner of upstream's scheduler_perf. */
export interface Workload {
  readonly name: string
  readonly nodeCount: number
  /** Pods that are placed before the clock runs. */
  readonly initial: readonly Pod[]
  /** Pods that are measured. */
  readonly measured: readonly Pod[]
  /** Every so many placed pods one of the initial ones goes, and a node is relabelled. */
  readonly churnEvery?: number
  /** Pods a second that upstream's CI asks for; none where it names none. */
  readonly floor?: number
}

export const nodeCount = 5000
const zones = ['zone1', 'zone2', 'zone3']

export const makeNodes = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    makeNode(`node-${index}`, { cpu: '4', memory: '32Gi', zone: zones[index % zones.length]! }),
  )

const pods = (count: number, prefix: string, make: (name: string, index: number) => Pod): Pod[] =>
  Array.from({ length: count }, (_, index) => make(`${prefix}-${index}`, index))

const small = { cpu: '100m', memory: '500Mi' }

const plain = (name: string): Pod => makePod(name, small)

const hostKey = 'kubernetes.io/hostname'
const zoneKey = 'topology.kubernetes.io/zone'

const antiAffine = (name: string, namespace: string): Pod =>
  makePod(name, {
    ...small,
    namespace,
    labels: { color: 'green' },
    spec: {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            affinityTerm({ color: 'green' }, hostKey, { namespaces: ['sched-0', 'sched-1'] }),
          ],
        },
      },
    },
  })

const affine = (name: string, namespace: string): Pod =>
  makePod(name, {
    ...small,
    namespace,
    labels: { color: 'blue' },
    spec: {
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            affinityTerm({ color: 'blue' }, zoneKey, { namespaces: ['sched-0', 'sched-1'] }),
          ],
        },
      },
    },
  })

const spread = (name: string): Pod =>
  makePod(name, {
    ...small,
    labels: { color: 'blue' },
    spec: {
      topologySpreadConstraints: [
        {
          topologyKey: zoneKey,
          maxSkew: 5,
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { color: 'blue' } },
        },
      ],
    },
  })

const mixed = (name: string, index: number): Pod => {
  if (index % 5 === 0) return antiAffine(name, 'sched-1')
  if (index % 5 === 1) return affine(name, 'sched-1')
  if (index % 5 === 2) return spread(name)
  return makePod(name, { ...small, labels: { app: `app-${index % 50}` } })
}

/** All cases; `scale` (0…1) shrinks them for a quick look. */
export function workloads(scale: number): Workload[] {
  const nodes = Math.max(100, Math.round(nodeCount * scale))
  const some = (count: number): number => Math.max(50, Math.round(count * scale))
  return [
    {
      name: 'basic',
      nodeCount: nodes,
      initial: pods(some(5000), 'init', plain),
      measured: pods(some(10_000), 'pod', plain),
      floor: 680,
    },
    {
      name: 'required anti-affinity',
      nodeCount: nodes,
      initial: pods(some(1000), 'init', (name) => antiAffine(name, 'sched-0')),
      measured: pods(some(2000), 'pod', (name) => antiAffine(name, 'sched-1')),
      floor: 60,
    },
    {
      name: 'required affinity',
      nodeCount: nodes,
      initial: pods(some(5000), 'init', (name) => affine(name, 'sched-0')),
      measured: pods(some(5000), 'pod', (name) => affine(name, 'sched-1')),
      floor: 35,
    },
    {
      name: 'topology spread',
      nodeCount: nodes,
      initial: pods(some(5000), 'init', plain),
      measured: pods(some(5000), 'pod', spread),
    },
    {
      name: 'preemption',
      nodeCount: nodes,
      initial: pods(nodes * 4, 'low', (name) => makePod(name, { cpu: '900m', memory: '500Mi', priority: 0 })),
      measured: pods(some(5000), 'high', (name) => makePod(name, { cpu: '3000m', memory: '500Mi', priority: 10 })),
      floor: 570,
    },
    {
      name: 'mixed churn',
      nodeCount: nodes,
      initial: pods(some(5000), 'init', plain),
      measured: pods(some(10_000), 'pod', mixed),
      churnEvery: 10,
    },
  ]
}
