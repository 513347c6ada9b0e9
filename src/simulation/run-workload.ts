import { applyFault } from './faults.ts'
import { checkAlways, checkEqual } from './invariants.ts'
import { describeCluster, type RunResult } from './run-plan.ts'
import { scenarioCluster, type ScenarioCluster, type SimulatedAuthority } from './scenario-cluster.ts'
import { applyViewFault, isViewFault } from './view-faults.ts'
import { checkObjectAddresses, unfinished } from './workload-invariants.ts'
import { operateWorkload } from './workload-operations.ts'
import type { WorkloadFault, WorkloadPlan } from './workload-plan.ts'

const quiesceLimitMs = 300_000
/** Tolerations of lost nodes run five minutes, and back-offs up to one. */
const convergeLimitMs = 900_000
const checkEveryMs = 250

/**
 * Runs a plan on a cluster with scheduler, controllers and kubelets, and says what held: nothing unique twice at any
 * time, and in the end everything as it was asked for. Never throws for what the cluster does.
 */
export async function runWorkload(plan: WorkloadPlan, authority: SimulatedAuthority): Promise<RunResult> {
  const scenario = scenarioCluster({ seed: plan.seed, nodes: plan.nodes, ...authority })
  const { cluster, running, ledger } = scenario
  const { time, records } = cluster
  try {
    await cluster.form()
    await time.advance(6_000)
    schedule(scenario, plan)
    const lastMs = Math.max(
      0,
      ...plan.operations.map(({ atMs }) => atMs),
      ...plan.faults.map((one) => one.atMs + one.forMs),
    )
    for (const endMs = time.nowMs + lastMs + 500; time.nowMs < endMs;) {
      await time.advance(checkEveryMs)
      checkAlways(cluster)
    }
    const gaps = () => {
      const view = cluster.leader && running.get(cluster.leader.name)
      return view ? unfinished(view.informers, ledger) : ['nobody leads']
    }
    cluster.endFaults()
    if (!(await time.until(() => cluster.startAll() && gaps().length === 0, convergeLimitMs, 500))) {
      records.problem('controllers converge', gaps().join('; '))
    } else if (await cluster.quiesce(quiesceLimitMs)) checkAtRest(scenario)
    else records.problem('the cluster comes to rest', describeCluster(cluster))
  } catch (error) {
    records.problem('the run does not fail', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    cluster.end()
  }
  const fingerprint = JSON.stringify([time.nowMs, ledger.started, [...cluster.hits]])
  return { problems: records.problems, hits: cluster.hits, tookMs: time.nowMs, fingerprint }
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

function schedule(scenario: ScenarioCluster, plan: WorkloadPlan): void {
  const { cluster, running } = scenario
  for (const planned of plan.operations) {
    cluster.time.after(planned.atMs, () => {
      const node = cluster.nodes[(planned.node - 1) % cluster.nodes.length]
      const view = node?.isUp ? running.get(node.name) : undefined
      if (!view || node?.life?.clock.isPaused) return
      operateWorkload(view, planned, `${planned.atMs}-${planned.a}`).catch(() => undefined)
    })
  }
  for (const planned of plan.faults) {
    cluster.time.after(planned.atMs, () => {
      const end = begin(scenario, planned)
      if (end) cluster.time.after(planned.forMs, end)
    })
  }
}

function begin({ cluster, running }: ScenarioCluster, planned: WorkloadFault): (() => void) | void {
  const { fault, forMs } = planned
  const [node, other] = [cluster.nodes[planned.node - 1], cluster.nodes[planned.other - 1]]
  if (!node || !other) return
  if (!isViewFault(fault)) return applyFault(cluster, fault, { node, other, forMs })
  const view = running.get((cluster.leader ?? node).name)?.view
  return view && applyViewFault(fault, view, cluster, forMs)
}
