import type { Job, Pod } from '../../../api/kinds.ts'
import type { Action, Creation } from '../../controller.ts'
import { isActive, isFinished } from '../pod-state.ts'
import { timeMs } from '../timestamp.ts'
import { createPod, deletePod } from '../workload.ts'
import { failuresBefore, hasFailed, indexOf, isIndexed, podOf, replacesOnlyFailed } from './job-pods.ts'
import type { Tally } from './tracking.ts'

/** Pods made or deleted in one go. */
const burst = 500
/** Wait after a failure before the next pod, doubling with each failure in a row (upstream: 10 s to 10 min). */
const baseBackoffMs = 10_000
const maxBackoffMs = 600_000

/** Brings the number of running pods to what is wanted; indexes that failed wait for their back-off each. */
export function manage(
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  nowMs: number,
): { actions: Action[]; nextMs: number | undefined } {
  const active = pods.filter(isActive)
  const occupied = replacesOnlyFailed(job) ? pods.filter((pod) => !isFinished(pod)) : active
  const wanted = wantedActive(job, active.length, counts)
  const surplus = surplusOf(job, active, wanted, counts)
  if (surplus.length > 0)
    return { actions: surplus.slice(0, burst).flatMap((pod) => deletePod(job, pod)), nextMs: undefined }
  const room = Math.min(burst, wanted - occupied.length)
  if (room <= 0) return { actions: [], nextMs: undefined }
  return isIndexed(job) ? createIndexed(job, pods, occupied, counts, room, nowMs) : createPlain(job, pods, room, nowMs)
}

function wantedActive(job: Job, active: number, counts: Tally): number {
  const { completions, parallelism = 1 } = job.spec!
  const succeeded = counts.succeeded + (isIndexed(job) ? 0 : counts.uncounted.succeeded.length)
  // A work queue: once one pod has succeeded the others finish, and none is added.
  if (completions === undefined) return succeeded > 0 ? Math.min(active, parallelism) : parallelism
  return Math.max(0, Math.min(completions - succeeded - counts.failedIndexes.size, parallelism))
}

/** Too many, of an index that is done, or the second of an index: pods that have got least far go first. */
function surplusOf(job: Job, active: readonly Pod[], wanted: number, counts: Tally): Pod[] {
  const seen = new Set<number>()
  const surplus: Pod[] = []
  const kept: Pod[] = []
  for (const pod of active.toSorted(byProgress)) {
    const index = indexOf(pod)
    const isUseless =
      isIndexed(job) &&
      (index === undefined ||
        index >= (job.spec?.completions ?? 0) ||
        seen.has(index) ||
        counts.completed.has(index) ||
        counts.failedIndexes.has(index))
    if (index !== undefined) seen.add(index)
    ;(isUseless ? surplus : kept).push(pod)
  }
  return [...surplus, ...kept.slice(wanted).toReversed()]
}

const rank = (pod: Pod): number => (pod.status?.phase === 'Running' ? 0 : pod.spec?.nodeName ? 1 : 2)

const byProgress = (a: Pod, b: Pod): number =>
  rank(a) - rank(b) ||
  (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')

function createPlain(job: Job, pods: readonly Pod[], room: number, nowMs: number) {
  const waitMs = backoffMs(failuresInARow(pods), lastEndMs(pods), nowMs)
  if (waitMs > 0) return { actions: [], nextMs: waitMs }
  return { actions: slowly(Array.from({ length: room }, () => createPod(job, podOf(job)))), nextMs: undefined }
}

function createIndexed(
  job: Job,
  pods: readonly Pod[],
  occupied: readonly Pod[],
  counts: Tally,
  room: number,
  nowMs: number,
) {
  const taken = new Set(occupied.map(indexOf))
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined
  const ofIndex = Map.groupBy(pods, indexOf)
  const creations: Creation[] = []
  let nextMs: number | undefined
  const common = perIndex ? 0 : backoffMs(failuresInARow(pods), lastEndMs(pods), nowMs)
  if (common > 0) return { actions: [], nextMs: common }
  for (let index = 0; index < (job.spec?.completions ?? 0) && creations.length < room; index++) {
    if (taken.has(index) || counts.completed.has(index) || counts.failedIndexes.has(index)) continue
    const failed = (ofIndex.get(index) ?? []).filter((pod) => hasFailed(job, pod))
    const failures = failed.length > 0 ? Math.max(...failed.map(failuresBefore)) + 1 : 0
    const waitMs = perIndex ? backoffMs(failures, lastEndMs(failed), nowMs) : 0
    if (waitMs > 0) nextMs = Math.min(nextMs ?? Infinity, waitMs)
    else creations.push(createPod(job, podOf(job, index, perIndex ? failures : undefined)))
  }
  return { actions: slowly(creations), nextMs }
}

const slowly = (creations: readonly Creation[]): Action[] =>
  creations.length > 0 ? [{ do: 'createSlowly', creations }] : []

function endMs(pod: Pod): number {
  const finished = (pod.status?.containerStatuses ?? []).map(
    (status) => timeMs(status.state?.terminated?.finishedAt) ?? 0,
  )
  return (
    Math.max(0, ...finished) || timeMs(pod.metadata.deletionTimestamp) || timeMs(pod.metadata.creationTimestamp) || 0
  )
}

/** Failures since the last success, of the pods that are still there. Pods that we ended ourselves are none. */
function failuresInARow(pods: readonly Pod[]): number {
  const lastSuccessMs = Math.max(0, ...pods.filter((pod) => pod.status?.phase === 'Succeeded').map(endMs))
  return pods.filter((pod) => pod.status?.phase === 'Failed' && endMs(pod) >= lastSuccessMs).length
}

const lastEndMs = (pods: readonly Pod[]): number =>
  Math.max(0, ...pods.filter((pod) => pod.status?.phase === 'Failed').map(endMs))

function backoffMs(failures: number, sinceMs: number, nowMs: number): number {
  if (failures === 0) return 0
  const delayMs = Math.min(maxBackoffMs, baseBackoffMs * 2 ** Math.min(failures - 1, 20))
  return sinceMs + delayMs - nowMs
}
