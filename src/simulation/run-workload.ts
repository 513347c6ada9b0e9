import { applyFault } from './faults.ts'
import { checkAlways, checkEqual } from './invariants.ts'
import { judgeAtRest, runSimulation, type RunResult } from './run.ts'
import { scenarioCluster, type ScenarioCluster, type SimulatedAuthority } from './scenario-cluster.ts'
import { applyViewFault, isViewFault } from './view-faults.ts'
import { checkObjectAddresses, unfinished } from './workload-invariants.ts'
import { operateWorkload } from './workload-operations.ts'
import type { WorkloadFault, WorkloadOperation, WorkloadPlan } from './workload-plan.ts'

/** Tolerations of lost nodes run five minutes, and back-offs up to one. */
const convergeLimitMs = 900_000

/**
 * Runs users of workloads against faults, on a cluster with scheduler, controllers and kubelets: nothing unique may be
 * twice at any time, and in the end everything must be as it was asked for.
 */
export function runWorkload(plan: WorkloadPlan, authority: SimulatedAuthority): Promise<RunResult> {
  const scenario = scenarioCluster({ seed: plan.seed, nodes: plan.nodes, ...authority })
  const { cluster, running, ledger } = scenario
  const { time, records } = cluster
  return runSimulation({
    cluster,
    plan,
    checkEveryMs: 250,
    prepare: () => time.advance(6_000),
    operate: (planned) => operate(scenario, planned),
    begin: (planned) => begin(scenario, planned),
    async conclude() {
      const gaps = () => {
        const view = cluster.leader && running.get(cluster.leader.name)
        return view ? unfinished(view.informers, ledger) : ['nobody leads']
      }
      cluster.endFaults()
      if (await time.until(() => cluster.startAll() && gaps().length === 0, convergeLimitMs, 500)) {
        await judgeAtRest(cluster, () => checkAtRest(scenario))
      } else {
        records.problem('controllers converge', gaps().join('; '))
      }
    },
    told: () => [ledger.started],
  })
}

function checkAtRest({ cluster, running }: ScenarioCluster): void {
  checkAlways(cluster)
  const catalogue = running.values().next().value?.catalogue
  const stored = (catalogue?.all() ?? []).filter((definition) => !('storedAs' in definition))
  checkEqual(
    cluster,
    stored.filter(({ resource }) => resource !== 'events'),
  )
  for (const { informers } of running.values()) checkObjectAddresses(informers, cluster.records)
}

function operate({ cluster, running }: ScenarioCluster, planned: WorkloadOperation): void {
  const node = cluster.nodes[(planned.node - 1) % cluster.nodes.length]
  const view = node?.isUp ? running.get(node.name) : undefined
  if (!view || node?.life?.clock.isPaused) return
  operateWorkload(view, planned, `${planned.atMs}-${planned.a}`).catch(() => undefined)
}

function begin({ cluster, running }: ScenarioCluster, planned: WorkloadFault): (() => void) | void {
  const { fault, forMs } = planned
  const [node, other] = [cluster.nodes[planned.node - 1], cluster.nodes[planned.other - 1]]
  if (!node || !other) return
  if (!isViewFault(fault)) return applyFault(cluster, fault, { node, other, forMs })
  const view = running.get((cluster.leader ?? node).name)?.view
  return view && applyViewFault(fault, view, cluster, forMs)
}
