import type { Random } from '../lib/clock.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { faultNames, type FaultName } from './faults.ts'
import { viewFaultNames, type ViewFaultName } from './view-faults.ts'
import { pick } from './virtual-time.ts'

export const workloadOperationNames = [
  'deploy',
  'set-up',
  'scale-deployment',
  'scale-stateful-set',
  'roll-deployment',
  'roll-stateful-set',
  'expose',
  'withdraw',
  'run-job',
  'delete-deployment',
  'delete-stateful-set',
  'delete-pod',
] as const
export type WorkloadOperationName = (typeof workloadOperationNames)[number]

/** What a user does, through which node. `a` and `b` choose among objects and sizes. */
export interface WorkloadOperation {
  readonly atMs: number
  readonly node: number
  readonly operation: WorkloadOperationName
  readonly a: number
  readonly b: number
}

export interface WorkloadFault {
  readonly atMs: number
  readonly fault: FaultName | ViewFaultName
  readonly node: number
  readonly other: number
  readonly forMs: number
}

/** Everything that happens to a cluster with workloads on it. Data, as a {@link Plan}; run twice, it runs the same. */
export interface WorkloadPlan {
  readonly seed: number
  readonly nodes: number
  readonly operations: readonly WorkloadOperation[]
  readonly faults: readonly WorkloadFault[]
}

const operationCount = 30
const faultCount = 7

/** Users act while this lasts; faults begin within it. */
const lengthMs = 60_000
/** Long enough that nodes are given up, fence themselves, and their pods fail over: minutes. */
const longestFaultMs = 150_000
/** A process that is paused for longer is a machine that was suspended: what it does for a moment after is not promised. */
const longestPauseMs = 20_000

const weights: Record<WorkloadOperationName, number> = {
  deploy: 3,
  'set-up': 4,
  'scale-deployment': 3,
  'scale-stateful-set': 4,
  'roll-deployment': 2,
  'roll-stateful-set': 2,
  expose: 3,
  withdraw: 1,
  'run-job': 2,
  'delete-deployment': 1,
  'delete-stateful-set': 1,
  'delete-pod': 3,
}
const bag = workloadOperationNames.flatMap((name) => Array.from({ length: weights[name] }, () => name))

/** Of those, faults are taken in turn, so that many seeds meet each about equally often. */
const allFaults: readonly (FaultName | ViewFaultName)[] = [...faultNames, ...viewFaultNames]

/** The plan of a seed. The first StatefulSet and Deployment are there before anything goes wrong. */
export function workloadPlanOf(seed: number): WorkloadPlan {
  const chance = seededRandom(seed * 2_246_822_519 + 31)
  const nodes = 3 + pick(chance, 2)
  const operations = Array.from({ length: operationCount }, (_, index): WorkloadOperation => ({
    atMs: index < 2 ? 0 : pick(chance, lengthMs),
    node: 1 + pick(chance, nodes),
    operation: index === 0 ? 'set-up' : index === 1 ? 'deploy' : (bag[pick(chance, bag.length)] ?? 'deploy'),
    a: pick(chance, 1_000),
    b: pick(chance, 1_000),
  }))
  const faults = Array.from({ length: faultCount }, (_, index) => planFault(chance, seed, index, nodes))
  return { seed, nodes, operations: operations.toSorted(byTime), faults: faults.toSorted(byTime) }
}

function planFault(chance: Random, seed: number, index: number, nodes: number): WorkloadFault {
  const turn = index % 2 === 0 ? seed * Math.ceil(faultCount / 2) + index / 2 : pick(chance, allFaults.length)
  const fault = allFaults[turn % allFaults.length] ?? 'process.kill'
  const longestMs = fault.includes('pause') ? longestPauseMs : longestFaultMs
  return {
    atMs: 10_000 + pick(chance, lengthMs),
    fault,
    node: 1 + pick(chance, nodes),
    other: 1 + pick(chance, nodes),
    forMs: 500 + pick(chance, longestMs),
  }
}

const byTime = (a: { atMs: number }, b: { atMs: number }): number => a.atMs - b.atMs
