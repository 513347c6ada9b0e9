import type { AutoscalingV1HorizontalPodAutoscaler, HorizontalPodAutoscaler } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { count, ageColumn, column, nameColumn } from '../columns.ts'
import { pathSegment } from '../meta/names.ts'
import { invalidEach, nonNegative, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'
import { fromV2, toV2 } from './convert.ts'
import { targetsText } from './printer.ts'

type V1 = AutoscalingV1HorizontalPodAutoscaler
type V2 = HorizontalPodAutoscaler
type Rules = NonNullable<NonNullable<NonNullable<V2['spec']>['behavior']>['scaleUp']>

function validateAutoscaler({ spec }: V2): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong: FieldError[] = []
  const { minReplicas, maxReplicas, scaleTargetRef } = spec
  if (minReplicas !== undefined && minReplicas < 1) {
    wrong.push(fieldErrors.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  }
  if (!(maxReplicas >= 1))
    wrong.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas ?? 0, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    wrong.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  }
  for (const field of ['kind', 'name'] as const) {
    const value = scaleTargetRef?.[field]
    if (!value) wrong.push(fieldErrors.required(`spec.scaleTargetRef.${field}`))
    else wrong.push(...invalidEach(`spec.scaleTargetRef.${field}`, value, pathSegment(value)))
  }
  const sources = {
    ContainerResource: 'containerResource',
    External: 'external',
    Object: 'object',
    Pods: 'pods',
    Resource: 'resource',
  } as const
  for (const [index, metric] of (spec.metrics ?? []).entries()) {
    const at = `spec.metrics[${index}]`
    wrong.push(...oneOf(`${at}.type`, metric.type, Object.keys(sources)))
    const field = sources[metric.type as keyof typeof sources]
    if (!field) continue
    const source = metric[field]
    if (!source) {
      wrong.push(fieldErrors.required(`${at}.${field}`, `must populate information for the given metric source`))
      continue
    }
    const { target } = source
    wrong.push(...oneOf(`${at}.${field}.target.type`, target?.type, ['AverageValue', 'Utilization', 'Value']))
    if (target?.averageUtilization !== undefined && target.averageUtilization < 1) {
      wrong.push(
        fieldErrors.invalid(
          `${at}.${field}.target.averageUtilization`,
          target.averageUtilization,
          'must be greater than 0',
        ),
      )
    }
    if (
      target &&
      target.averageUtilization === undefined &&
      target.averageValue === undefined &&
      target.value === undefined
    ) {
      wrong.push(
        fieldErrors.required(`${at}.${field}.target`, 'must set either a target raw value or a target utilization'),
      )
    }
  }
  wrong.push(
    ...validateRules(spec.behavior?.scaleUp, 'spec.behavior.scaleUp'),
    ...validateRules(spec.behavior?.scaleDown, 'spec.behavior.scaleDown'),
  )
  return wrong
}

const maxStabilizationSeconds = 3600
const maxPeriodSeconds = 1800

function validateRules(rules: Rules | undefined, path: string): FieldError[] {
  if (!rules) return []
  const seconds = rules.stabilizationWindowSeconds
  const wrong = [
    ...nonNegative(`${path}.stabilizationWindowSeconds`, seconds),
    ...oneOf(`${path}.selectPolicy`, rules.selectPolicy, ['Disabled', 'Max', 'Min'], false),
  ]
  if (seconds !== undefined && seconds > maxStabilizationSeconds) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.stabilizationWindowSeconds`,
        seconds,
        `must be less than or equal to ${maxStabilizationSeconds}`,
      ),
    )
  }
  if (!rules.policies?.length) wrong.push(fieldErrors.required(`${path}.policies`, 'must specify at least one Policy'))
  for (const [index, { type, value, periodSeconds }] of (rules.policies ?? []).entries()) {
    const at = `${path}.policies[${index}]`
    wrong.push(...oneOf(`${at}.type`, type, ['Percent', 'Pods']))
    if (!(value > 0)) wrong.push(fieldErrors.invalid(`${at}.value`, value ?? 0, 'must be greater than zero'))
    if (!(periodSeconds > 0))
      wrong.push(fieldErrors.invalid(`${at}.periodSeconds`, periodSeconds ?? 0, 'must be greater than zero'))
    if (periodSeconds > maxPeriodSeconds) {
      wrong.push(
        fieldErrors.invalid(`${at}.periodSeconds`, periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`),
      )
    }
  }
  return wrong
}

function defaultRules(rules: Rules, standard: Rules): void {
  rules.selectPolicy ||= 'Max'
  rules.policies ??= structuredClone(standard.policies)
  if (standard.stabilizationWindowSeconds !== undefined) {
    rules.stabilizationWindowSeconds ??= standard.stabilizationWindowSeconds
  }
}

const quickUp: Rules = {
  stabilizationWindowSeconds: 0,
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
/** Downwards the window is the controller's own, five minutes by default. */
const slowDown: Rules = { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] }

const columnsOf = <T extends V1 | V2>(asV2: (autoscaler: T) => V2) => [
  nameColumn,
  column<T>('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`),
  column<T>('Targets', (autoscaler) => targetsText(asV2(autoscaler))),
  column<T>('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
  count<T>('MaxPods', ({ spec }) => spec?.maxReplicas),
  count<T>('Replicas', ({ status }) => status?.currentReplicas),
  ageColumn,
]

const common = { group: 'autoscaling', resource: 'horizontalpodautoscalers', shortNames: ['hpa'], categories: ['all'] }

export const autoscalerV2Traits = traits<V2>({
  ...common,
  version: 'v2',
  columns: columnsOf<V2>((autoscaler) => autoscaler),
  convertTo: (autoscaler) => fromV2(autoscaler),
  strategy: {
    applyDefaults({ spec }) {
      if (!spec) return
      spec.minReplicas ??= 1
      if (!spec.metrics?.length) {
        spec.metrics = [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
        ]
      }
      if (!spec.behavior) return
      if (spec.behavior.scaleUp) defaultRules(spec.behavior.scaleUp, quickUp)
      if (spec.behavior.scaleDown) defaultRules(spec.behavior.scaleDown, slowDown)
    },
    validate: validateAutoscaler,
  },
})

export const autoscalerV1Traits = traits<V1>({
  ...common,
  version: 'v1',
  columns: columnsOf<V1>(toV2),
  convertTo: (autoscaler) => toV2(autoscaler),
  strategy: {
    applyDefaults({ spec }) {
      if (spec) spec.minReplicas ??= 1
    },
    validate: (autoscaler) => validateAutoscaler(toV2(autoscaler)),
  },
})
