import type { Random } from '../lib/clock.ts'
import { faultNames, type FaultName } from './faults.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { pick } from './virtual-time.ts'

export const operationNames = [
  'set',
  'remove',
  'compare-and-set',
  'write',
  'bind',
  'serve',
  'unserve',
  'claim',
  'resume-watch',
  'read',
] as const
export type OperationName = (typeof operationNames)[number]

/** What a client does, through which node. `a` and `b` choose among objects and fields. */
export interface PlannedOperation {
  readonly atMs: number
  readonly node: number
  readonly operation: OperationName
  readonly a: number
  readonly b: number
}

export interface PlannedFault {
  readonly atMs: number
  readonly fault: FaultName
  readonly node: number
  readonly other: number
  readonly forMs: number
}

/** Everything that happens to a cluster. Data, so that it can be kept and made smaller; run twice, it runs the same. */
export interface Plan {
  readonly seed: number
  readonly nodes: number
  readonly operations: readonly PlannedOperation[]
  readonly faults: readonly PlannedFault[]
}

const operationCount = 100
const faultCount = 5

/** Three nodes, most often: a cluster costs by the node, and four or five find little more. */
const clusterSizes = [3, 3, 3, 3, 3, 3, 3, 4, 4, 5]
/** Operations, and beginnings of faults, are spread over so long: one every 45 ms. */
const lengthMs = operationCount * 45
/** Long enough for another leader, twice over. */
const longestFaultMs = 3_500

/** How often a client does what: declared writes, and reads, are the most. */
const weights: Record<OperationName, number> = {
  set: 6,
  remove: 1,
  'compare-and-set': 4,
  write: 1,
  bind: 2,
  serve: 1,
  unserve: 1,
  claim: 1,
  'resume-watch': 1,
  read: 6,
}
const bag = operationNames.flatMap((name) => Array.from({ length: weights[name] }, () => name))

/** The plan of a seed. Each fault is met about equally often over many seeds. */
export function planOf(seed: number): Plan {
  const chance = seededRandom(seed * 2_654_435_761 + 97)
  const nodes = clusterSizes[pick(chance, clusterSizes.length)] ?? 3
  const operations = Array.from({ length: operationCount }, (): PlannedOperation => ({
    atMs: pick(chance, lengthMs),
    node: 1 + pick(chance, nodes),
    operation: bag[pick(chance, bag.length)] ?? 'set',
    a: pick(chance, 1_000),
    b: pick(chance, 1_000),
  }))
  const faults = Array.from({ length: faultCount }, (_, index) => planFault(chance, seed, index, nodes))
  return { seed, nodes, operations: operations.toSorted(byTime), faults: faults.toSorted(byTime) }
}

function planFault(chance: Random, seed: number, index: number, nodes: number): PlannedFault {
  // Half of them go through all there are in turn, the others are left to chance.
  const turn = index % 2 === 0 ? seed * Math.ceil(faultCount / 2) + index / 2 : pick(chance, faultNames.length)
  return {
    atMs: pick(chance, lengthMs),
    fault: faultNames[turn % faultNames.length] ?? 'process.kill',
    node: 1 + pick(chance, nodes),
    other: 1 + pick(chance, nodes),
    forMs: 200 + pick(chance, longestFaultMs),
  }
}

const byTime = (a: { atMs: number }, b: { atMs: number }): number => a.atMs - b.atMs
