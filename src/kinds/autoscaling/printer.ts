import type { HorizontalPodAutoscaler } from '../../api/kinds.ts'

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>
type Metric = NonNullable<Spec['metrics']>[number]
type Current = NonNullable<NonNullable<HorizontalPodAutoscaler['status']>['currentMetrics']>[number]

const shownAtMost = 2

/** What is measured against what is aimed at, metric by metric: `cpu: 12%/80%`. */
export function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? []
  if (metrics.length === 0) return '<none>'
  const texts = metrics.map((metric, index) => metricText(metric, status?.currentMetrics?.[index]))
  const shown = texts.slice(0, shownAtMost).join(', ')
  return texts.length > shownAtMost ? `${shown} + ${texts.length - shownAtMost} more...` : shown
}

const unknown = '<unknown>'

function metricText(metric: Metric, measured: Current | undefined): string {
  switch (metric.type) {
    case 'External':
      return valueText(metric.external?.target, measured?.external?.current, true)
    case 'Pods':
      return `${measured?.pods?.current.averageValue ?? unknown}/${metric.pods?.target.averageValue}`
    case 'Object':
      return valueText(metric.object?.target, measured?.object?.current, true)
    case 'Resource':
      return resourceText(metric.resource?.name, metric.resource?.target, measured?.resource?.current)
    case 'ContainerResource':
      return resourceText(
        metric.containerResource?.name,
        metric.containerResource?.target,
        measured?.containerResource?.current,
      )
    default:
      return '<unknown type>'
  }
}

interface Values {
  averageValue?: string
  value?: string
  averageUtilization?: number
}

function valueText(target: Values | undefined, current: Values | undefined, marksAverage: boolean): string {
  if (target?.averageValue !== undefined) {
    return `${current?.averageValue ?? unknown}/${target.averageValue}${marksAverage ? ' (avg)' : ''}`
  }
  return `${current?.value ?? unknown}/${target?.value}`
}

function resourceText(name: string | undefined, target: Values | undefined, current: Values | undefined): string {
  if (target?.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`
  const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`
  const goal = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`
  return `${name}: ${now}/${goal}`
}
