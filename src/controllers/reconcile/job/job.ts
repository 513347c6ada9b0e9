import type { Job, JobCondition, JobStatus, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../../controller.ts'
import { isActive, isFinished, isReady } from '../pod-state.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { timestamp } from '../timestamp.ts'
import { childWatch, claimChildren, deleteAction, eventAction, selfWatch, sooner, statusAction } from '../workload.ts'
import { manage } from './manage.ts'
import { isOurs, isTracked, release, trackingFinalizer } from './job-pods.ts'
import { conditionOf, deadlineInMs, isFinishedJob, type Outcome, outcomeOf } from './outcome.ts'
import { type Tally, tally, tallyStatus } from './tracking.ts'

/** Runs pods until enough of them have succeeded (batch/v1 Job). */
export const jobController: Controller = {
  name: 'job',
  watches: [
    selfWatch(refs.jobs),
    childWatch<Job>(refs.pods, { ref: refs.jobs, kind: 'Job', selectorOf: (job) => job.spec?.selector }),
  ],
  keys: (view) => view.list<Job>(refs.jobs).map(keyOf),
  plan: planJob,
}

function planJob(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const job = view.get<Job>(refs.jobs, namespace, name)
  if (!job?.spec || !isOurs(job)) return nothing
  const { claimed, actions } = claimChildren<Pod>(view, refs.pods, job, job.spec.selector, trackingFinalizer)
  if (job.metadata.deletionTimestamp || isFinishedJob(job)) {
    // Nothing is counted any more: what still bears the finalizer would stay for ever.
    const leftover = claimed.filter((pod) => isTracked(pod) && (isFinished(pod) || pod.metadata.deletionTimestamp))
    return { actions: [...actions, ...leftover.map(release)] }
  }
  const wasDecided = conditionOf(job, 'FailureTarget') ?? conditionOf(job, 'SuccessCriteriaMet')
  const counts = tally(job, claimed, wasDecided !== undefined)
  const outcome = outcomeOf(job, claimed, counts, nowMs)
  const active = claimed.filter(isActive)
  let nextMs: number | undefined
  actions.push(...counts.release.map(release))
  if (outcome || job.spec.suspend) actions.push(...active.map((pod) => deleteAction(refs.pods, pod)))
  else {
    const managed = manage(job, claimed, counts, nowMs)
    actions.push(...managed.actions)
    nextMs = managed.nextMs
  }
  const status = statusOf(job, claimed, counts, outcome, nowMs)
  if (!sameJson(status, job.status)) {
    actions.push(statusAction(refs.jobs, job, status))
    actions.push(...newsOf(job, status))
  }
  const deadlineMs = deadlineInMs({ ...job, status }, nowMs)
  if (Number.isFinite(deadlineMs) && deadlineMs > 0) nextMs = sooner(nextMs, deadlineMs)
  return { actions, ...(nextMs !== undefined ? { requeueAfterMs: nextMs } : {}) }
}

function statusOf(
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  outcome: Outcome | undefined,
  nowMs: number,
): JobStatus {
  const active = pods.filter(isActive)
  const terminating = pods.filter((pod) => pod.metadata.deletionTimestamp && !isFinished(pod))
  const now = timestamp(nowMs)
  const isSuspended = job.spec?.suspend === true && !outcome
  const wasSuspended = job.status?.conditions?.some((one) => one.type === 'Suspended' && one.status === 'True')
  const startTime = isSuspended ? undefined : ((wasSuspended ? now : job.status?.startTime) ?? now)
  const conditions = conditionsOf(job, outcome, isSuspended, nowMs)
  const isSettled = counts.uncounted.succeeded.length + counts.uncounted.failed.length === 0
  // A job ends when all of its pods have ended and each has been counted.
  const isOver = outcome !== undefined && active.length === 0 && terminating.length === 0 && isSettled
  if (outcome && isOver) {
    const type = outcome.type === 'FailureTarget' ? 'Failed' : 'Complete'
    conditions.push(condition(job, type, 'True', outcome.reason, outcome.message, nowMs))
  }
  return {
    ...tallyStatus(job, counts),
    ...(active.length > 0 ? { active: active.length } : {}),
    ready: active.filter(isReady).length,
    terminating: terminating.length,
    ...(startTime ? { startTime } : {}),
    ...(isOver && outcome?.type === 'SuccessCriteriaMet' ? { completionTime: now } : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  }
}

function conditionsOf(job: Job, outcome: Outcome | undefined, isSuspended: boolean, nowMs: number): JobCondition[] {
  const before = job.status?.conditions ?? []
  const conditions = before.filter((one) => one.type !== 'Suspended' && one.type !== outcome?.type)
  const suspended = before.find((one) => one.type === 'Suspended')
  if (isSuspended) conditions.unshift(condition(job, 'Suspended', 'True', 'JobSuspended', 'Job suspended', nowMs))
  else if (suspended) conditions.unshift(condition(job, 'Suspended', 'False', 'JobResumed', 'Job resumed', nowMs))
  if (outcome) conditions.push(condition(job, outcome.type, 'True', outcome.reason, outcome.message, nowMs))
  return conditions
}

function condition(
  job: Job,
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): JobCondition {
  const before = job.status?.conditions?.find((one) => one.type === type)
  if (before?.status === status) return before
  const now = timestamp(nowMs)
  return { type, status, reason, message, lastProbeTime: now, lastTransitionTime: now }
}

/** Events about what the new status says for the first time. */
function newsOf(job: Job, status: JobStatus): Action[] {
  const about = referenceTo(job)
  return (status.conditions ?? []).flatMap((one): Action[] => {
    const before = job.status?.conditions?.find((other) => other.type === one.type)
    if (before?.status === one.status) return []
    if (one.type === 'Suspended')
      return [eventAction(about, 'Normal', one.status === 'True' ? 'Suspended' : 'Resumed', one.message ?? '')]
    if (one.type === 'Complete') return [eventAction(about, 'Normal', 'Completed', 'Job completed')]
    if (one.type === 'Failed') return [eventAction(about, 'Warning', one.reason ?? 'Failed', one.message ?? '')]
    return []
  })
}
