import type { CronJob, CronJobStatus, Job, ObjectReference } from '../../../api/kinds.ts'
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
import { conditionOf, isFinishedJob } from '../job/outcome.ts'
import { controllerReference, ownerKeys } from '../ownership.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { timeMs, timestamp } from '../timestamp.ts'
import { byController, deleteAction, eventAction, selfWatch, statusAction } from '../workload.ts'
import { newestDue, parseSchedule, type Schedule } from './schedule.ts'

/** A start is looked for this much after it is due, so that a clock a little behind does not miss it. */
const slackMs = 100
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/** Makes Jobs on a schedule (batch/v1 CronJob). */
export const cronJobController: Controller = {
  name: 'cronjob',
  watches: [
    selfWatch(refs.cronJobs),
    { ref: refs.jobs, keysOf: ({ object, previous }) => ownerKeys('CronJob', [object, previous]) },
  ],
  keys: (view) => view.list<CronJob>(refs.cronJobs).map(keyOf),
  plan: planCronJob,
}

function planCronJob(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const cronJob = view.get<CronJob>(refs.cronJobs, namespace, name)
  if (!cronJob?.spec) return nothing
  const jobs = view.indexed<Job>(refs.jobs, byController, cronJob.metadata.uid ?? '')
  const { status, actions } = observe(cronJob, jobs)
  actions.push(...pruneHistory(cronJob, jobs))
  let requeueAfterMs: number | undefined
  if (!cronJob.metadata.deletionTimestamp && !cronJob.spec.suspend) {
    const started = start(cronJob, jobs, status, view, nowMs)
    actions.push(...started.actions)
    requeueAfterMs = started.nextMs === undefined ? undefined : started.nextMs - nowMs + slackMs
  }
  if (!sameJson(status, cronJob.status ?? {})) actions.push(statusAction(refs.cronJobs, cronJob, status))
  return { actions, ...(requeueAfterMs !== undefined ? { requeueAfterMs } : {}) }
}

/** What runs and what has ended since the last look. */
function observe(cronJob: CronJob, jobs: readonly Job[]): { status: CronJobStatus; actions: Action[] } {
  const before = cronJob.status ?? {}
  const running = jobs.filter((job) => !isFinishedJob(job))
  const actions: Action[] = []
  let lastSuccessfulTime = before.lastSuccessfulTime
  for (const job of jobs) {
    if (!isFinishedJob(job)) continue
    const wasActive = before.active?.some((one) => one.uid === job.metadata.uid)
    const outcome = conditionOf(job, 'Complete') ? 'Complete' : 'Failed'
    if (wasActive)
      actions.push(
        eventAction(
          referenceTo(cronJob),
          'Normal',
          'SawCompletedJob',
          `Saw completed job: ${job.metadata.name}, condition: ${outcome}`,
        ),
      )
    const endedAt = job.status?.completionTime
    if (outcome === 'Complete' && endedAt && (timeMs(lastSuccessfulTime) ?? 0) < timeMs(endedAt)!)
      lastSuccessfulTime = endedAt
  }
  const status: CronJobStatus = {
    ...(running.length > 0 ? { active: running.toSorted(byAge).map(activeReference) } : {}),
    ...(before.lastScheduleTime ? { lastScheduleTime: before.lastScheduleTime } : {}),
    ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
  }
  return { status, actions }
}

function activeReference(job: Job): ObjectReference {
  const { apiVersion, kind, name, namespace, uid } = referenceTo(job)
  return { apiVersion, kind, name, namespace, uid }
}

const byAge = (a: Job, b: Job): number =>
  (timeMs(a.status?.startTime) ?? timeMs(a.metadata.creationTimestamp) ?? 0) -
    (timeMs(b.status?.startTime) ?? timeMs(b.metadata.creationTimestamp) ?? 0) ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')

function pruneHistory(cronJob: CronJob, jobs: readonly Job[]): Action[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec
  const surplus = (type: string, limit: number): Job[] => {
    const ended = jobs.filter((job) => conditionOf(job, type) && !job.metadata.deletionTimestamp).toSorted(byAge)
    return ended.slice(0, Math.max(0, ended.length - limit))
  }
  return [...surplus('Complete', successfulJobsHistoryLimit), ...surplus('Failed', failedJobsHistoryLimit)].flatMap(
    (job) => [
      deleteAction(refs.jobs, job, { propagationPolicy: 'Background' }),
      eventAction(referenceTo(cronJob), 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`),
    ],
  )
}

/** Starts the newest job that is due; changes `status` to say so. */
function start(
  cronJob: CronJob,
  jobs: readonly Job[],
  status: CronJobStatus,
  view: View,
  nowMs: number,
): { actions: Action[]; nextMs?: number } {
  const about = referenceTo(cronJob)
  let schedule: Schedule
  try {
    schedule = parseSchedule(cronJob.spec.schedule, cronJob.spec.timeZone)
  } catch (error) {
    const message = `unparseable schedule: ${cronJob.spec.schedule} : ${(error as Error).message}`
    return { actions: [eventAction(about, 'Warning', 'UnparseableSchedule', message)] }
  }
  const { startingDeadlineSeconds, concurrencyPolicy = 'Allow' } = cronJob.spec
  const deadlineMs = startingDeadlineSeconds === undefined ? undefined : startingDeadlineSeconds * 1000
  const sinceMs = timeMs(status.lastScheduleTime) ?? timeMs(cronJob.metadata.creationTimestamp) ?? nowMs
  const fromMs = deadlineMs === undefined ? sinceMs : Math.max(sinceMs, nowMs - deadlineMs)
  const { dueMs, tooMany } = newestDue(schedule, fromMs, nowMs)
  const next = schedule.nextMs(nowMs)
  const wait = next === undefined ? {} : { nextMs: next }
  const actions: Action[] = tooMany
    ? [
        eventAction(
          about,
          'Warning',
          'TooManyMissedTimes',
          'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
        ),
      ]
    : []
  if (dueMs === undefined) {
    const { dueMs: missedMs } = newestDue(schedule, sinceMs, nowMs)
    if (missedMs !== undefined) {
      const at = new Date(missedMs).toUTCString().replace('GMT', '+0000')
      actions.push(eventAction(about, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${at}`))
    }
    return { actions, ...wait }
  }
  const job = jobOf(cronJob, dueMs)
  // The name comes from the due time: another leader, or we before a crash, can have made it, and nobody makes it twice.
  // It counts as scheduled once it is there: a creation that fails is tried again.
  if (view.get<Job>(refs.jobs, cronJob.metadata.namespace ?? '', job.metadata.name!)) {
    status.lastScheduleTime = timestamp(dueMs)
    return { actions, ...wait }
  }
  const running = jobs.filter((one) => !isFinishedJob(one))
  if (concurrencyPolicy === 'Forbid' && running.length > 0)
    return {
      actions: [
        ...actions,
        eventAction(
          about,
          'Normal',
          'JobAlreadyActive',
          'Not starting job because prior execution is running and concurrency policy is Forbid',
        ),
      ],
      ...wait,
    }
  if (concurrencyPolicy === 'Replace')
    for (const one of running)
      if (!one.metadata.deletionTimestamp)
        actions.push(deleteAction(refs.jobs, one, { propagationPolicy: 'Background' }))
  actions.push({
    do: 'create',
    ref: refs.jobs,
    object: job,
    created: (made) => eventAction(about, 'Normal', 'SuccessfulCreate', `Created job ${made.metadata.name}`),
    failed: (message) => eventAction(about, 'Warning', 'FailedCreate', `Error creating job: ${message}`),
  })
  return { actions, ...wait }
}

/** `<name>-<minutes since the epoch>`, as upstream names them. */
function jobOf(cronJob: CronJob, dueMs: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate
  const zone = cronJob.spec.timeZone
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${cronJob.metadata.name}-${Math.floor(dueMs / 60_000)}`,
      namespace: cronJob.metadata.namespace,
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations, [scheduledAnnotation]: scheduledText(dueMs, zone) },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: structuredClone(spec),
  } as Job
}

/** RFC 3339 in the CronJob's zone. */
function scheduledText(dueMs: number, timeZone: string | undefined): string {
  if (!timeZone) return timestamp(dueMs)
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }).formatToParts(dueMs)
  const offset = /GMT([+-]\d\d:\d\d)/.exec(parts.find((part) => part.type === 'timeZoneName')?.value ?? '')?.[1]
  if (!offset) return timestamp(dueMs)
  const [hours = '0', minutes = '0'] = offset.slice(1).split(':')
  const shiftMs = (offset.startsWith('-') ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  return timestamp(dueMs + shiftMs).replace('Z', offset)
}
