import { must } from '../lib/assert.ts'
import { applyFault } from './faults.ts'
import { checkAtRest } from './invariants.ts'
import { operate, prepare } from './operations.ts'
import type { Plan } from './plan.ts'
import { judgeAtRest, runSimulation, type RunResult } from './run.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

/** Lists of these merge by keys, or none do: the operations write fields of maps. */
const layout = { listKeys: () => undefined }

/** Runs clients of the store against faults. */
export function runPlan(plan: Plan): Promise<RunResult> {
  const cluster = new SimulatedCluster({ seed: plan.seed, nodes: plan.nodes, layout })
  const { time, records, nodes } = cluster
  return runSimulation({
    cluster,
    plan,
    checkEveryMs: 100,
    async prepare() {
      await cluster.settled(prepare(must(cluster.leader, 'a cluster that has formed has a leader')))
      await time.advance(500)
    },
    operate: (planned) => operate(cluster, planned, `v${planned.atMs}-${planned.a}-${planned.b}`),
    begin(planned) {
      const [node, other] = [nodes[planned.node - 1], nodes[planned.other - 1]]
      if (node && other) return applyFault(cluster, planned.fault, { node, other, forMs: planned.forMs })
    },
    conclude: () => judgeAtRest(cluster, () => checkAtRest(cluster)),
    told: () => [records.declared, records.registers],
  })
}
