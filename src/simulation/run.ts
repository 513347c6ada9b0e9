import { checkAlways } from './invariants.ts'
import type { Problem } from './records.ts'
import type { SimulatedCluster } from './simulated-cluster.ts'

export interface RunResult {
  readonly problems: readonly Problem[]
  readonly hits: ReadonlyMap<string, number>
  /** Virtual time that passed. */
  readonly tookMs: number
  /** The same for two runs of one plan. */
  readonly fingerprint: string
}

interface Timed {
  readonly atMs: number
}

/** What simulations differ in: how a cluster is made ready, what its users and faults do, and what is asked of it in the end. */
export interface Simulation<Operation extends Timed, Fault extends Timed & { readonly forMs: number }> {
  readonly cluster: SimulatedCluster
  readonly plan: { readonly operations: readonly Operation[]; readonly faults: readonly Fault[] }
  readonly checkEveryMs: number
  /** Makes what the operations need to find. */
  prepare(): Promise<void>
  operate(operation: Operation): void
  /** Makes a fault happen; returns how it ends, when its time is over. */
  begin(fault: Fault): (() => void) | void
  /** Called when the last fault is over: waits for rest, and judges what then is. */
  conclude(): Promise<void>
  /** What clients were told, for the fingerprint. */
  told(): readonly unknown[]
}

const quiesceLimitMs = 300_000
/** The last faults' ends, and what they bring about at once. */
const tailMs = 500

/** Runs a plan to its end, and says what held. Never throws for what the cluster does. */
export async function runSimulation<Operation extends Timed, Fault extends Timed & { readonly forMs: number }>(
  simulation: Simulation<Operation, Fault>,
): Promise<RunResult> {
  const { cluster, plan } = simulation
  const { time, records } = cluster
  try {
    await cluster.form()
    await simulation.prepare()
    const lastMs = schedule(simulation)
    for (const endMs = time.nowMs + lastMs + tailMs; time.nowMs < endMs;) {
      await time.advance(simulation.checkEveryMs)
      checkAlways(cluster)
    }
    await simulation.conclude()
  } catch (error) {
    records.problem('the run does not fail', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    cluster.end()
  }
  const fingerprint = JSON.stringify([time.nowMs, ...simulation.told(), [...cluster.hits]])
  return { problems: records.problems, hits: cluster.hits, tookMs: time.nowMs, fingerprint }

  /** Returns when the last of them is over. */
  function schedule({ operate, begin }: Simulation<Operation, Fault>): number {
    for (const operation of plan.operations) time.after(operation.atMs, () => operate(operation))
    for (const fault of plan.faults) {
      time.after(fault.atMs, () => {
        const end = begin(fault)
        if (end) time.after(fault.forMs, end)
      })
    }
    return Math.max(0, ...plan.operations.map(({ atMs }) => atMs), ...plan.faults.map((one) => one.atMs + one.forMs))
  }
}

/** Ends all faults, and judges the cluster once nothing is left to be exchanged. */
export async function judgeAtRest(cluster: SimulatedCluster, judge: () => void): Promise<void> {
  if (await cluster.quiesce(quiesceLimitMs)) judge()
  else cluster.records.problem('the cluster comes to rest', describeCluster(cluster))
}

/** Where each node stands, for a cluster that does not come to rest. */
const describeCluster = ({ nodes }: SimulatedCluster): string =>
  nodes
    .map(({ name, life }) => {
      if (!life) return `${name} down`
      const { term, leader, appliedIndex, commitIndex } = life.decisions.status()
      const { rootDigest, documents } = life.replicator.status()
      return `${name} term ${term} leader ${leader} applied ${appliedIndex}/${commitIndex} root ${rootDigest} of ${documents}`
    })
    .join('; ')
