import type { Job } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Controller, keyOf, nothing, splitKey } from '../controller.ts'
import { isFinishedJob } from './job/outcome.ts'
import { timeMs } from './timestamp.ts'
import { deleteAction, selfWatch } from './workload.ts'

/** Deletes finished Jobs when their `ttlSecondsAfterFinished` is over (KEP-592). */
export const ttlAfterFinishedController: Controller = {
  name: 'ttl-after-finished',
  watches: [selfWatch(refs.jobs)],
  keys: (view) => view.list<Job>(refs.jobs).map(keyOf),
  plan(key, view, nowMs) {
    const { namespace, name } = splitKey(key)
    const job = view.get<Job>(refs.jobs, namespace, name)
    const ttlSeconds = job?.spec?.ttlSecondsAfterFinished
    if (!job || ttlSeconds === undefined || job.metadata.deletionTimestamp || !isFinishedJob(job)) return nothing
    const ended = job.status?.conditions?.find(
      (one) => (one.type === 'Complete' || one.type === 'Failed') && one.status === 'True',
    )
    const endedMs = timeMs(ended?.lastTransitionTime)
    if (endedMs === undefined) return nothing
    const leftMs = endedMs + ttlSeconds * 1000 - nowMs
    if (leftMs > 0) return { actions: [], requeueAfterMs: leftMs }
    return { actions: [deleteAction(refs.jobs, job, { propagationPolicy: 'Foreground' })] }
  },
}
