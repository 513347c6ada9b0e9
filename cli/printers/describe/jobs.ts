import type { CronJob, Job, JobSpec } from '../../../src/api/kinds.ts'
import { humanDuration } from '../../../src/lib/duration.ts'
import { formatLabelSelector } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import {
  annotationLines,
  boolText,
  controllerOf,
  type DescribeContext,
  fullTime,
  headLines,
  labelLines,
} from './lines.ts'
import { templateLines } from './pod.ts'

/** After so many characters a list of completed indexes is cut at the next comma. */
const maxIndexesLength = 50

const line = (title: string, value: unknown): string[] => (value === undefined ? [] : [`${title}:\t${String(value)}`])

export function describeJob(job: Job, context: DescribeContext): string[] {
  const { metadata, spec, status } = job
  const ready = status?.ready === undefined ? '' : ` (${status.ready} Ready)`
  const isIndexed = spec?.completionMode === 'Indexed'
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace}`,
    ...(spec?.selector ? [`Selector:\t${formatLabelSelector(spec.selector)}`] : []),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    ...line('Controlled By', controllerOf(job)),
    ...line('Parallelism', spec?.parallelism),
    `Completions:\t${spec?.completions ?? '<unset>'}`,
    ...line('Completion Mode', spec?.completionMode),
    ...line('Suspend', spec?.suspend),
    ...line('Backoff Limit', spec?.backoffLimit),
    ...line('TTL Seconds After Finished', spec?.ttlSecondsAfterFinished),
    ...(status?.startTime ? [`Start Time:\t${fullTime(status.startTime)}`] : []),
    ...(status?.completionTime ? [`Completed At:\t${fullTime(status.completionTime)}`] : []),
    ...(status?.startTime && status.completionTime
      ? [`Duration:\t${humanDuration(Date.parse(status.completionTime) - Date.parse(status.startTime))}`]
      : []),
    ...(spec?.activeDeadlineSeconds === undefined ? [] : [`Active Deadline Seconds:\t${spec.activeDeadlineSeconds}s`]),
    `Pods Statuses:\t${status?.active ?? 0} Active${ready} / ${status?.succeeded ?? 0} Succeeded / ${status?.failed ?? 0} Failed`,
    ...(isIndexed ? [`Completed Indexes:\t${shortIndexes(status?.completedIndexes)}`] : []),
    ...templateLines(spec?.template),
    ...eventLines(context),
  ]
}

export function shortIndexes(indexes = ''): string {
  if (indexes === '') return '<none>'
  const cut = indexes.indexOf(',', maxIndexesLength)
  return indexes.length <= maxIndexesLength || cut < 0 ? indexes : `${indexes.slice(0, cut + 1)}...`
}

export function describeCronJob(job: CronJob, context: DescribeContext): string[] {
  const { spec, status } = job
  const deadline = spec?.startingDeadlineSeconds
  return [
    ...headLines(job),
    `Schedule:\t${spec?.schedule ?? ''}`,
    `Concurrency Policy:\t${spec?.concurrencyPolicy ?? ''}`,
    `Suspend:\t${boolText(spec?.suspend)}`,
    `Successful Job History Limit:\t${spec?.successfulJobsHistoryLimit ?? '<unset>'}`,
    `Failed Job History Limit:\t${spec?.failedJobsHistoryLimit ?? '<unset>'}`,
    `Starting Deadline Seconds:\t${deadline === undefined ? '<unset>' : `${deadline}s`}`,
    ...jobTemplateLines(spec?.jobTemplate.spec),
    `Last Schedule Time:\t${fullTime(status?.lastScheduleTime)}`,
    `Active Jobs:\t${(status?.active ?? []).map(({ name }) => name).join(', ') || '<none>'}`,
    ...eventLines(context),
  ]
}

const jobTemplateLines = (spec: JobSpec | undefined): string[] => [
  `Selector:\t${spec?.selector ? formatLabelSelector(spec.selector) : '<unset>'}`,
  // Other than of a Job, what is not written is written once a job is made of it: one.
  `Parallelism:\t${spec?.parallelism ?? '<unset>'}`,
  `Completions:\t${spec?.completions ?? '<unset>'}`,
  ...(spec?.activeDeadlineSeconds === undefined ? [] : [`Active Deadline Seconds:\t${spec.activeDeadlineSeconds}s`]),
  ...templateLines(spec?.template),
]
