import type { CronJob } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { age } from '../../lib/duration.ts'
import { formatLabelSelector } from '../../lib/selector.ts'
import { ageColumn, column, count, nameColumn, templateColumns, wide } from '../columns.ts'
import { nonNegative, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { defaultJobSpec, validateJobSpec } from './job.ts'
import { scheduleError } from './schedule.ts'

/** A job's name is that of its cron job and eleven characters more. */
const maxNameLength = 52

function validateCronJob({ metadata, spec }: CronJob): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong: FieldError[] = []
  if ((metadata.name ?? '').length > maxNameLength) {
    wrong.push(fieldErrors.invalid('metadata.name', metadata.name, `must be no more than ${maxNameLength} characters`))
  }
  if (!spec.schedule) wrong.push(fieldErrors.required('spec.schedule'))
  else {
    const problem = scheduleError(spec.schedule)
    if (problem) wrong.push(fieldErrors.invalid('spec.schedule', spec.schedule, problem))
    else if (/TZ=/.test(spec.schedule)) {
      wrong.push(
        fieldErrors.invalid(
          'spec.schedule',
          spec.schedule,
          'cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
        ),
      )
    }
  }
  if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone)) {
    wrong.push(
      fieldErrors.invalid(
        'spec.timeZone',
        spec.timeZone,
        spec.timeZone === '' ? 'must be nil or non-empty string' : `unknown time zone ${spec.timeZone}`,
      ),
    )
  }
  wrong.push(
    ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
    ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
    ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    ...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
  )
  const template = spec.jobTemplate?.spec
  if (!template) return [...wrong, fieldErrors.required('spec.jobTemplate.spec')]
  if (template.selector) {
    wrong.push(
      fieldErrors.invalid('spec.jobTemplate.spec.selector', template.selector, '`selector` will be auto-generated'),
    )
  }
  if (template.manualSelector !== undefined) {
    wrong.push(fieldErrors.notSupported('spec.jobTemplate.spec.manualSelector', template.manualSelector, ['nil']))
  }
  return [...wrong, ...validateJobSpec(template, 'spec.jobTemplate.spec')]
}

function isTimeZone(name: string): boolean {
  if (name === '' || name === 'Local') return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

export const cronJobTraits = traits<CronJob>({
  group: 'batch',
  resource: 'cronjobs',
  shortNames: ['cj'],
  categories: ['all'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<CronJob>('Schedule', ({ spec }) => spec?.schedule ?? ''),
    column<CronJob>('Timezone', ({ spec }) => spec?.timeZone ?? '<none>'),
    column<CronJob>('Suspend', ({ spec }) => (spec?.suspend ? 'True' : 'False')),
    count<CronJob>('Active', ({ status }) => status?.active?.length),
    column<CronJob>('Last Schedule', ({ status }, nowMs) =>
      status?.lastScheduleTime ? age(status.lastScheduleTime, nowMs) : '<none>',
    ),
    ageColumn,
    ...templateColumns<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template?.spec?.containers),
    wide<CronJob>('Selector', ({ spec }) => formatLabelSelector(spec?.jobTemplate?.spec?.selector)),
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.concurrencyPolicy ||= 'Allow'
      spec.suspend ??= false
      spec.successfulJobsHistoryLimit ??= 3
      spec.failedJobsHistoryLimit ??= 1
      if (spec.jobTemplate?.spec) defaultJobSpec(spec.jobTemplate.spec)
    },
    validate: validateCronJob,
  },
})
