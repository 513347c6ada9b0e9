import { afterAll, beforeAll } from 'vitest'
import { cronJobs } from './cron-jobs.ts'
import { controllerRevisions, daemonSets } from './daemon-sets.ts'
import { deployments } from './deployments.ts'
import { disruptions } from './disruptions.ts'
import { startWorkbench, type Workbench } from './fixture.ts'
import { jobs } from './jobs.ts'
import { replicaSets, replicationControllers } from './replica-sets.ts'
import { rollingLoad } from './rolling-load.ts'
import { limitRanges, predicates, preemption } from './scheduling.ts'
import { statefulSets } from './stateful-sets.ts'

/** What the conformance list asks of sig-apps and sig-scheduling, on two machines that all tests share. */
let started: Workbench
const bench = (): Workbench => started

beforeAll(async () => {
  started = await startWorkbench(process.env['STORMO_WORKLOADS_CLUSTER'] ?? 'workloads')
})
afterAll(() => started.stop())

for (const area of [
  statefulSets,
  cronJobs,
  deployments,
  rollingLoad,
  daemonSets,
  controllerRevisions,
  replicaSets,
  replicationControllers,
  jobs,
  disruptions,
  predicates,
  preemption,
  limitRanges,
])
  area(bench)
