import type { Job, JobCondition, Pod, SuccessPolicyRule } from '../../../api/kinds.ts'
import { isActive } from '../pod-state.ts'
import { timeMs } from '../timestamp.ts'
import { judgeFailure } from './failure-policy.ts'
import { parseIndexes } from './indexes.ts'
import { hasFailed, isIndexed } from './job-pods.ts'
import type { Tally } from './tracking.ts'

/** Why a job is over, before its pods are. */
export interface Outcome {
  type: 'FailureTarget' | 'SuccessCriteriaMet'
  reason: string
  message: string
}

export const conditionOf = (job: Job, type: string): JobCondition | undefined =>
  job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')

export const isFinishedJob = (job: Job): boolean =>
  conditionOf(job, 'Complete') !== undefined || conditionOf(job, 'Failed') !== undefined

const failure = (reason: string, message: string): Outcome => ({ type: 'FailureTarget', reason, message })
const success = (reason: string, message: string): Outcome => ({ type: 'SuccessCriteriaMet', reason, message })

/** What the job comes to, as far as it is decided; what was decided before stays. */
export function outcomeOf(job: Job, pods: readonly Pod[], counts: Tally, nowMs: number): Outcome | undefined {
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const decided = conditionOf(job, type)
    if (decided) return { type, reason: decided.reason ?? '', message: decided.message ?? '' }
  }
  return failureOf(job, pods, counts, nowMs) ?? successOf(job, pods, counts)
}

function failureOf(job: Job, pods: readonly Pod[], counts: Tally, nowMs: number): Outcome | undefined {
  const { backoffLimit = 6, backoffLimitPerIndex, maxFailedIndexes, podFailurePolicy } = job.spec!
  if (podFailurePolicy) {
    for (const pod of pods) {
      if (!hasFailed(job, pod)) continue
      const verdict = judgeFailure(podFailurePolicy, pod)
      if (verdict.action === 'FailJob') return failure('PodFailurePolicy', verdict.message ?? '')
    }
  }
  if (counts.failed + counts.uncounted.failed.length > backoffLimit || restartsExceed(job, pods, backoffLimit))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  if (deadlineInMs(job, nowMs) <= 0) return failure('DeadlineExceeded', 'Job was active longer than specified deadline')
  if (backoffLimitPerIndex !== undefined && counts.failedIndexes.size > 0) {
    if (maxFailedIndexes !== undefined && counts.failedIndexes.size > maxFailedIndexes)
      return failure('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes')
    if (counts.failedIndexes.size + counts.completed.size >= (job.spec?.completions ?? 0))
      return failure('FailedIndexes', 'Job has failed indexes')
  }
  return undefined
}

/** Containers that the kubelet restarts in place count as failures as well. */
function restartsExceed(job: Job, pods: readonly Pod[], limit: number): boolean {
  if (job.spec?.template.spec?.restartPolicy !== 'OnFailure') return false
  let restarts = 0
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue
    for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
      restarts += container.restartCount
  }
  return limit === 0 ? restarts > 0 : restarts >= limit
}

/** Milliseconds that the job may still be active; Infinity without a deadline or while it does not run. */
export function deadlineInMs(job: Job, nowMs: number): number {
  const { activeDeadlineSeconds, suspend } = job.spec!
  const startedMs = timeMs(job.status?.startTime)
  if (activeDeadlineSeconds === undefined || startedMs === undefined || suspend) return Infinity
  return startedMs + activeDeadlineSeconds * 1000 - nowMs
}

function successOf(job: Job, pods: readonly Pod[], counts: Tally): Outcome | undefined {
  const { completions, successPolicy, parallelism } = job.spec!
  if (successPolicy && isIndexed(job)) {
    const index = successPolicy.rules.findIndex((rule) => isMet(rule, counts.completed, completions ?? 0))
    if (index >= 0) return success('SuccessPolicy', `Matched rules at index ${index}`)
  }
  const succeeded = counts.succeeded + (isIndexed(job) ? 0 : counts.uncounted.succeeded.length)
  if (completions === undefined) {
    const stillActive = pods.some(isActive)
    return succeeded > 0 && !stillActive ? success('CompletionsReached', reached) : undefined
  }
  if (completions === 0 || succeeded >= completions)
    return parallelism === 0 && succeeded < completions ? undefined : success('CompletionsReached', reached)
  return undefined
}

const reached = 'Reached expected number of succeeded pods'

function isMet(rule: SuccessPolicyRule, completed: ReadonlySet<number>, completions: number): boolean {
  const named = rule.succeededIndexes === undefined ? undefined : parseIndexes(rule.succeededIndexes, completions)
  const matching = named ? [...completed].filter((index) => named.has(index)).length : completed.size
  return matching >= (rule.succeededCount ?? named?.size ?? completions)
}
