import type { Job, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import type { Action } from '../../controller.ts'
import { podFromTemplate } from '../pod-state.ts'
import { mutateAction } from '../workload.ts'

/** Held by every pod of a job until its end has been counted. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
const indexKey = 'batch.kubernetes.io/job-completion-index'
const failureCountKey = 'batch.kubernetes.io/job-index-failure-count'

export const isIndexed = (job: Job): boolean => job.spec?.completionMode === 'Indexed'
export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false

/** False for a job that another controller takes care of (KEP-4368). */
export const isOurs = ({ spec }: Job): boolean =>
  spec?.managedBy === undefined || spec.managedBy === 'kubernetes.io/job-controller'

/** Lets a pod go whose end has been counted, or will not be. */
export const release = (pod: Pod): Action =>
  mutateAction(refs.pods, pod, (current) => {
    if (!isTracked(current)) return undefined
    current.metadata.finalizers = current.metadata.finalizers!.filter((one) => one !== trackingFinalizer)
    return current
  })

/** The pod's index, or undefined when it has none that counts. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey]
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** Failures of its index before this pod. */
export const failuresBefore = (pod: Pod): number => Number(pod.metadata.annotations?.[failureCountKey] ?? 0) || 0

/** True for a pod that ended badly, or that is being ended before it could end by itself (see podReplacementPolicy). */
export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  if (replacesOnlyFailed(job)) return false
  return pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded'
}

export const replacesOnlyFailed = (job: Job): boolean => job.spec?.podReplacementPolicy === 'Failed'

/** A pod of the job; with `index`, the one that does that part of the work. */
export function podOf(job: Job, index?: number, failures?: number): Pod {
  const pod = podFromTemplate(job, job.spec!.template)
  pod.metadata.finalizers = [...new Set([...(pod.metadata.finalizers ?? []), trackingFinalizer])]
  if (index === undefined) return pod
  const { name } = job.metadata
  pod.metadata.generateName = `${`${name}-${index}`.slice(0, 57)}-`
  pod.metadata.labels = { ...pod.metadata.labels, [indexKey]: String(index) }
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [indexKey]: String(index),
    ...(failures === undefined ? {} : { [failureCountKey]: String(failures) }),
  }
  const spec = pod.spec!
  spec.hostname = `${name}-${index}`
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${indexKey}']` } },
  }
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
    if (!container.env?.some((one) => one.name === variable.name)) container.env = [...(container.env ?? []), variable]
  return pod
}
