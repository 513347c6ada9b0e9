import type { DaemonSet } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { formatLabels, formatLabelSelector } from '../../lib/selector.ts'
import { ageColumn, column, count, nameColumn, templateColumns, wide } from '../columns.ts'
import { defaultPodTemplate } from '../core/pod/defaults.ts'
import { immutable, nonNegative, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { isZeroShare, notMoreThanAll, validateShare, validateWorkload } from './template.ts'

function validateDaemonSet({ spec }: DaemonSet): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const at = 'spec.updateStrategy'
  const wrong = [
    ...validateWorkload(spec.selector, spec.template, 'DaemonSet'),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ...oneOf(`${at}.type`, spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']),
  ]
  const rolling = spec.updateStrategy?.rollingUpdate
  if (spec.updateStrategy?.type !== 'RollingUpdate') return wrong
  if (!rolling) return [...wrong, fieldErrors.required(`${at}.rollingUpdate`)]
  const { maxUnavailable, maxSurge } = rolling
  for (const [field, value] of Object.entries({ maxUnavailable, maxSurge })) {
    wrong.push(
      ...validateShare(value, `${at}.rollingUpdate.${field}`),
      ...notMoreThanAll(value, `${at}.rollingUpdate.${field}`),
    )
  }
  const surges = maxSurge !== undefined && !isZeroShare(maxSurge)
  if (!surges && isZeroShare(maxUnavailable)) {
    wrong.push(
      fieldErrors.invalid(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, 'cannot be 0 when maxSurge is 0'),
    )
  } else if (surges && !isZeroShare(maxUnavailable)) {
    wrong.push(
      fieldErrors.invalid(`${at}.rollingUpdate.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'),
    )
  }
  return wrong
}

export const daemonSetTraits = traits<DaemonSet>({
  group: 'apps',
  resource: 'daemonsets',
  shortNames: ['ds'],
  categories: ['all'],
  hasGeneration: true,
  columns: [
    nameColumn,
    count<DaemonSet>('Desired', ({ status }) => status?.desiredNumberScheduled),
    count<DaemonSet>('Current', ({ status }) => status?.currentNumberScheduled),
    count<DaemonSet>('Ready', ({ status }) => status?.numberReady),
    count<DaemonSet>('Up-to-date', ({ status }) => status?.updatedNumberScheduled),
    count<DaemonSet>('Available', ({ status }) => status?.numberAvailable),
    column<DaemonSet>('Node Selector', ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector)),
    ageColumn,
    ...templateColumns<DaemonSet>(({ spec }) => spec?.template?.spec?.containers),
    wide<DaemonSet>('Selector', ({ spec }) => formatLabelSelector(spec?.selector)),
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.updateStrategy ??= {}
      spec.updateStrategy.type ||= 'RollingUpdate'
      if (spec.updateStrategy.type === 'RollingUpdate') {
        spec.updateStrategy.rollingUpdate ??= {}
        spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1
        spec.updateStrategy.rollingUpdate.maxSurge ??= 0
      }
      spec.revisionHistoryLimit ??= 10
      defaultPodTemplate(spec.template)
    },
    validate: validateDaemonSet,
    validateUpdate: (set, old) => immutable('spec.selector', set.spec?.selector, old.spec?.selector),
  },
})
