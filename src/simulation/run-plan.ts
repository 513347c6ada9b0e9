import { applyFault } from './faults.ts'
import { checkAlways, checkAtRest } from './invariants.ts'
import { operate, prepare } from './operations.ts'
import type { Plan } from './plan.ts'
import type { Problem } from './records.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

export interface RunResult {
  readonly problems: readonly Problem[]
  readonly hits: ReadonlyMap<string, number>
  /** Virtual time that passed. */
  readonly tookMs: number
  /** The same for two runs of one plan. */
  readonly fingerprint: string
}

const quiesceLimitMs = 300_000
const checkEveryMs = 100

/** Lists of these merge by keys, or none do: the operations write fields of maps. */
const layout = { listKeys: () => undefined }

/** Runs a plan to its end, and says what held. Never throws for what the cluster does. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const cluster = new SimulatedCluster({ seed: plan.seed, nodes: plan.nodes, layout })
  const { time, records } = cluster
  try {
    await cluster.form()
    const prepared = cluster.leader && prepare(cluster.leader)
    let isReady = false
    void prepared?.then(() => (isReady = true))
    if (!(await time.until(() => isReady, 30_000))) throw new Error('the first objects could not be made')
    await time.advance(2_000)
    scheduleOperations(cluster, plan)
    scheduleFaults(cluster, plan)
    const lastMs = Math.max(
      0,
      ...plan.operations.map(({ atMs }) => atMs),
      ...plan.faults.map((one) => one.atMs + one.forMs),
    )
    for (const endMs = time.nowMs + lastMs + 500; time.nowMs < endMs;) {
      await time.advance(checkEveryMs)
      checkAlways(cluster)
    }
    if (await cluster.quiesce(quiesceLimitMs)) checkAtRest(cluster)
    else records.problem('the cluster comes to rest', describeCluster(cluster))
  } catch (error) {
    records.problem('the run does not fail', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    cluster.end()
  }
  const fingerprint = JSON.stringify([time.nowMs, records.declared, records.registers, [...cluster.hits]])
  return { problems: records.problems, hits: cluster.hits, tookMs: time.nowMs, fingerprint }
}

function scheduleOperations(cluster: SimulatedCluster, plan: Plan): void {
  for (const planned of plan.operations) {
    cluster.time.after(planned.atMs, () => operate(cluster, planned, `v${planned.atMs}-${planned.a}-${planned.b}`))
  }
}

function scheduleFaults(cluster: SimulatedCluster, plan: Plan): void {
  for (const { atMs, fault, node, other, forMs } of plan.faults) {
    cluster.time.after(atMs, () => {
      const [one, two] = [cluster.nodes[node - 1], cluster.nodes[other - 1]]
      if (!one || !two) return
      const end = applyFault(cluster, fault, { node: one, other: two, forMs })
      if (end) cluster.time.after(forMs, end)
    })
  }
}

/** Where each node stands, for a cluster that does not come to rest. */
export const describeCluster = ({ nodes }: SimulatedCluster): string =>
  nodes
    .map(({ name, life }) => {
      if (!life) return `${name} down`
      const { term, leader, appliedIndex, commitIndex } = life.decisions.status()
      const { rootDigest, documents } = life.replicator.status()
      return `${name} term ${term} leader ${leader} applied ${appliedIndex}/${commitIndex} root ${rootDigest} of ${documents}`
    })
    .join('; ')
