import type { Job, JobStatus, Pod } from '../../../api/kinds.ts'
import { judgeFailure } from './failure-policy.ts'
import { formatIndexes, parseIndexes } from './indexes.ts'
import { failuresBefore, hasFailed, indexOf, isIndexed, isTracked } from './job-pods.ts'

/** The counts of a job after what has ended since was added to them. */
export interface Tally {
  succeeded: number
  failed: number
  completed: Set<number>
  failedIndexes: Set<number>
  uncounted: { succeeded: string[]; failed: string[] }
  /** Pods whose end is on record: their finalizer may go. */
  release: Pod[]
}

/** Uids on record at once: the status must stay small (upstream's MaxUncountedPods). */
const maxUncounted = 500

/**
 * Counts every pod's end exactly once, over crashes and stale views, in three steps, each of which waits until the one
 * before is stored: (1) its uid is put down as uncounted; (2) its finalizer goes; (3) once no pod bears the finalizer and
 * the uid, the uid turns into a count. A pod that still bears the finalizer and is not on record is not counted; one
 * without it has been.
 */
export function tally(job: Job, pods: readonly Pod[], isEnding: boolean): Tally {
  const before = job.status ?? {}
  const completions = job.spec?.completions ?? 0
  const result: Tally = {
    succeeded: before.succeeded ?? 0,
    failed: before.failed ?? 0,
    completed: parseIndexes(before.completedIndexes, completions),
    failedIndexes: parseIndexes(before.failedIndexes, completions),
    uncounted: { succeeded: [], failed: [] },
    release: [],
  }
  const held = new Map(pods.filter(isTracked).map((pod) => [pod.metadata.uid!, pod]))
  const known = before.uncountedTerminatedPods ?? {}
  const indexed = isIndexed(job)
  for (const kind of ['succeeded', 'failed'] as const) {
    for (const uid of known[kind] ?? []) {
      const pod = held.get(uid)
      if (pod) {
        result.uncounted[kind].push(uid)
        result.release.push(pod)
      } else if (kind === 'failed' || !indexed) result[kind]++
    }
  }
  const recorded = new Set([...(known.succeeded ?? []), ...(known.failed ?? [])])
  for (const [uid, pod] of held) {
    if (recorded.has(uid)) continue
    if (result.uncounted.succeeded.length + result.uncounted.failed.length >= maxUncounted) break
    record(job, pod, pods, result, isEnding)
  }
  if (indexed) result.succeeded = result.completed.size
  return result
}

function record(job: Job, pod: Pod, pods: readonly Pod[], result: Tally, isEnding: boolean): void {
  const uid = pod.metadata.uid!
  const index = indexOf(pod)
  const counts = !isIndexed(job) || (index !== undefined && index < (job.spec?.completions ?? 0))
  if (pod.status?.phase === 'Succeeded') {
    if (!counts) result.release.push(pod)
    else if (index !== undefined && isIndexed(job)) {
      // An index is a set's element: putting it down twice changes nothing, so it needs no record of its own.
      if (job.status && parseIndexes(job.status.completedIndexes, index + 1).has(index)) result.release.push(pod)
      result.completed.add(index)
    } else result.uncounted.succeeded.push(uid)
    return
  }
  if (!hasFailed(job, pod) && !(isEnding && pod.metadata.deletionTimestamp)) return
  if (!counts) return void result.release.push(pod)
  const verdict = judgeFailure(job.spec?.podFailurePolicy, pod)
  if (verdict.action === 'Ignore') return void result.release.push(pod)
  if (job.spec?.backoffLimitPerIndex !== undefined && index !== undefined) {
    const isOut = verdict.action === 'FailIndex' || failuresBefore(pod) >= job.spec.backoffLimitPerIndex
    if (isOut && !result.completed.has(index)) result.failedIndexes.add(index)
    // The next pod of the index learns the number of failures from this one: it stays until then.
    const isReplaced = pods.some((one) => indexOf(one) === index && failuresBefore(one) > failuresBefore(pod))
    if (!isOut && !isReplaced && !isEnding) return
  }
  result.uncounted.failed.push(uid)
}

/** The tally in the status' own fields. */
export function tallyStatus(job: Job, counts: Tally): Partial<JobStatus> {
  const { uncounted } = counts
  return {
    ...(counts.succeeded > 0 ? { succeeded: counts.succeeded } : {}),
    ...(counts.failed > 0 ? { failed: counts.failed } : {}),
    ...(isIndexed(job) && counts.completed.size > 0 ? { completedIndexes: formatIndexes(counts.completed) } : {}),
    ...(job.spec?.backoffLimitPerIndex !== undefined ? { failedIndexes: formatIndexes(counts.failedIndexes) } : {}),
    uncountedTerminatedPods: {
      ...(uncounted.succeeded.length > 0 ? { succeeded: uncounted.succeeded } : {}),
      ...(uncounted.failed.length > 0 ? { failed: uncounted.failed } : {}),
    },
  }
}
