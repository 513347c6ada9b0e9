import type { PodDisruptionBudget } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { notMoreThanAll, validateShare } from '../apps/template.ts'
import { ageColumn, column, count, nameColumn } from '../columns.ts'
import { oneOf, validateLabelSelector } from '../meta/validate.ts'
import { traits } from '../traits.ts'

function validateBudget({ spec = {} }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable } = spec
  const wrong: FieldError[] = []
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    wrong.push(fieldErrors.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'))
  }
  for (const [field, value] of Object.entries({ minAvailable, maxUnavailable })) {
    wrong.push(...validateShare(value, `spec.${field}`), ...notMoreThanAll(value, `spec.${field}`))
  }
  wrong.push(
    ...validateLabelSelector(spec.selector, 'spec.selector'),
    ...oneOf(
      'spec.unhealthyPodEvictionPolicy',
      spec.unhealthyPodEvictionPolicy,
      ['AlwaysAllow', 'IfHealthyBudget'],
      false,
    ),
  )
  return wrong
}

export const podDisruptionBudgetTraits = traits<PodDisruptionBudget>({
  group: 'policy',
  resource: 'poddisruptionbudgets',
  shortNames: ['pdb'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<PodDisruptionBudget>('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    column<PodDisruptionBudget>('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    count<PodDisruptionBudget>('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed),
    ageColumn,
  ],
  strategy: { validate: validateBudget },
})
