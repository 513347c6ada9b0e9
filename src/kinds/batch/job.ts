import type { Job, JobSpec } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { humanDuration } from '../../lib/duration.ts'
import { formatLabelSelector, matchesLabelSelector } from '../../lib/selector.ts'
import { validatePodTemplate } from '../apps/template.ts'
import { ageColumn, column, nameColumn, templateColumns, wide } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { immutable, nonNegative, oneOf, sameValue, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { validateFailurePolicy, validateSuccessPolicy } from './job-policies.ts'

const isTrue = (job: Job, type: string) =>
  job.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false

function statusOf(job: Job): string {
  if (isTrue(job, 'Complete')) return 'Complete'
  if (isTrue(job, 'Failed')) return 'Failed'
  if (job.metadata.deletionTimestamp) return 'Terminating'
  if (isTrue(job, 'Suspended')) return 'Suspended'
  if (isTrue(job, 'FailureTarget')) return 'FailureTarget'
  if (isTrue(job, 'SuccessCriteriaMet')) return 'SuccessCriteriaMet'
  return 'Running'
}

function completionsOf({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`
  const parallelism = spec?.parallelism ?? 0
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function durationOf({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return ''
  const endMs = status.completionTime ? Date.parse(status.completionTime) : nowMs
  return humanDuration(endMs - Date.parse(status.startTime))
}

/** The spec of a job or of a cron job's template. */
export function validateJobSpec(spec: JobSpec, path: string): FieldError[] {
  const wrong = [
    ...nonNegative(`${path}.parallelism`, spec.parallelism),
    ...nonNegative(`${path}.completions`, spec.completions),
    ...nonNegative(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...nonNegative(`${path}.backoffLimit`, spec.backoffLimit),
    ...nonNegative(`${path}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...nonNegative(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex),
    ...nonNegative(`${path}.maxFailedIndexes`, spec.maxFailedIndexes),
    ...oneOf(`${path}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed'], false),
    ...oneOf(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed'], false),
  ]
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined) {
      wrong.push(fieldErrors.required(`${path}.completions`, `when completion mode is Indexed`))
    }
    if ((spec.parallelism ?? 0) > maxIndexedParallelism) {
      wrong.push(
        fieldErrors.invalid(
          `${path}.parallelism`,
          spec.parallelism,
          `must be less than or equal to ${maxIndexedParallelism} when completion mode is Indexed`,
        ),
      )
    }
  } else {
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
      if (spec[field] !== undefined) {
        wrong.push(fieldErrors.invalid(`${path}.${field}`, spec[field], `requires indexed completion mode`))
      }
    }
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    wrong.push(fieldErrors.required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  }
  if (spec.podFailurePolicy) wrong.push(...validateFailurePolicy(spec, `${path}.podFailurePolicy`))
  if (spec.successPolicy) wrong.push(...validateSuccessPolicy(spec, `${path}.successPolicy`))
  wrong.push(...validatePodTemplate(spec.template, `${path}.template`))
  const policy = spec.template?.spec?.restartPolicy
  const allowed = spec.podFailurePolicy ? ['Never'] : ['OnFailure', 'Never']
  if (policy === 'Always' || policy === '') {
    wrong.push(
      fieldErrors.required(
        `${path}.template.spec.restartPolicy`,
        `valid values: ${['OnFailure', 'Never'].map((one) => JSON.stringify(one)).join(', ')}`,
      ),
    )
  } else if (policy && !allowed.includes(policy)) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.template.spec.restartPolicy`,
        policy,
        'only "Never" is supported when podFailurePolicy is specified',
      ),
    )
  }
  return wrong
}

const maxIndexedParallelism = 100_000

function validateJob({ spec }: Job): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = spec.selector
    ? validateLabelSelector(spec.selector, 'spec.selector')
    : [fieldErrors.required('spec.selector')]
  if (spec.selector && wrong.length === 0 && !matchesLabelSelector(spec.selector, spec.template?.metadata?.labels)) {
    wrong.push(
      fieldErrors.invalid(
        'spec.template.metadata.labels',
        spec.template?.metadata?.labels ?? null,
        '`selector` does not match template `labels`',
      ),
    )
  }
  return [...wrong, ...validateJobSpec(spec, 'spec')]
}

function validateUpdate(job: Job, old: Job): FieldError[] {
  const next = job.spec
  const before = old.spec
  if (!next || !before) return []
  const wrong: FieldError[] = []
  const isElastic =
    next.completionMode === 'Indexed' &&
    next.completions !== before.completions &&
    next.completions === next.parallelism
  if (!isElastic) wrong.push(...immutable('spec.completions', next.completions, before.completions))
  for (const field of [
    'selector',
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const) {
    wrong.push(...immutable(`spec.${field}`, next[field], before[field]))
  }
  // Where the pods may run can be changed before the first of them is made (KEP-2926).
  const mayPlace = before.suspend === true && !old.status?.startTime
  if (!sameValue(frozenTemplate(next, mayPlace), frozenTemplate(before, mayPlace))) {
    wrong.push(...immutable('spec.template', next.template, before.template))
  }
  return wrong
}

function frozenTemplate({ template }: JobSpec, mayPlace: boolean): object {
  if (!mayPlace) return template
  const open = { nodeSelector: undefined, affinity: undefined, tolerations: undefined, schedulingGates: undefined }
  return { metadata: undefined, spec: { ...template.spec, ...open } }
}

const labelPrefix = 'batch.kubernetes.io/'

/** Gives the pods labels that no other job's pods have, and selects them. */
function generateSelector(job: Job): void {
  const { spec, metadata } = job
  if (!spec?.template || spec.manualSelector) return
  const uid = metadata.uid ?? ''
  const labels = ((spec.template.metadata ??= {}).labels ??= {})
  labels['job-name'] ??= metadata.name ?? ''
  labels['controller-uid'] ??= uid
  labels[`${labelPrefix}job-name`] ??= metadata.name ?? ''
  labels[`${labelPrefix}controller-uid`] ??= uid
  spec.selector ??= {}
  spec.selector.matchLabels ??= {}
  spec.selector.matchLabels[`${labelPrefix}controller-uid`] ??= uid
}

export function defaultJobSpec(spec: JobSpec): void {
  // Neither number: a single pod. One alone: a work queue, or so many pods one after another.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1
  spec.completionMode ||= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ||= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True'
  }
  defaultPodTemplate(spec.template)
}

export const jobTraits = traits<Job>({
  group: 'batch',
  resource: 'jobs',
  categories: ['all'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<Job>('Status', statusOf),
    column<Job>('Completions', completionsOf),
    column<Job>('Duration', durationOf),
    ageColumn,
    ...templateColumns<Job>(({ spec }) => spec?.template?.spec?.containers),
    wide<Job>('Selector', ({ spec }) => formatLabelSelector(spec?.selector)),
  ],
  selectable: ({ status }) => ({ 'status.successful': String(status?.succeeded ?? 0) }),
  strategy: {
    prepareForCreate: generateSelector,
    applyDefaults({ metadata, spec }) {
      if (!spec) return
      const labels = spec.template?.metadata?.labels
      if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
      defaultJobSpec(spec)
    },
    validate: validateJob,
    validateUpdate,
  },
})
