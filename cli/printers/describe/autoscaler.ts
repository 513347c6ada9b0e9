import type {
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, fullTime, headLines } from './lines.ts'

export function describeAutoscaler(autoscaler: HorizontalPodAutoscaler, context: DescribeContext): string[] {
  const { metadata, spec, status } = autoscaler
  const target = spec?.scaleTargetRef
  return [
    ...headLines(autoscaler),
    `CreationTimestamp:\t${fullTime(metadata.creationTimestamp)}`,
    `Reference:\t${target?.kind}/${target?.name}`,
    'Metrics:\t( current / target )',
    ...(spec?.metrics ?? []).map((metric, index) => `  ${metricText(metric, status?.currentMetrics?.[index])}`),
    `Min replicas:\t${spec?.minReplicas ?? '<unset>'}`,
    `Max replicas:\t${spec?.maxReplicas ?? 0}`,
    ...(spec?.behavior
      ? [
          'Behavior:',
          ...directionLines('Scale Up', spec.behavior.scaleUp),
          ...directionLines('Scale Down', spec.behavior.scaleDown),
        ]
      : []),
    `${target?.kind} pods:\t${status?.currentReplicas ?? 0} current / ${status?.desiredReplicas ?? 0} desired`,
    ...(status?.conditions?.length
      ? [
          'Conditions:',
          '  Type\tStatus\tReason\tMessage',
          '  ----\t------\t------\t-------',
          ...status.conditions.map((one) => `  ${one.type}\t${one.status}\t${one.reason ?? ''}\t${one.message ?? ''}`),
        ]
      : []),
    ...eventLines(context),
  ]
}

function metricText(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case 'Resource':
      return `resource ${metric.resource?.name} on pods${usageText(metric.resource?.target, status?.resource?.current)}`
    case 'ContainerResource': {
      const { name, container, target } = metric.containerResource ?? {}
      return `resource ${name} of container "${container}" on pods${usageText(target, status?.containerResource?.current)}`
    }
    case 'Pods': {
      const current = status?.pods?.current.averageValue ?? '<unknown>'
      return `"${metric.pods?.metric.name}" on pods:\t${current} / ${metric.pods?.target.averageValue}`
    }
    case 'Object': {
      const { describedObject, metric: identifier, target } = metric.object ?? {}
      const title = `"${identifier?.name}" on ${describedObject?.kind}/${describedObject?.name}`
      return `${title} ${valueText(target, status?.object?.current)}`
    }
    case 'External':
      return `"${metric.external?.metric.name}" ${valueText(metric.external?.target, status?.external?.current)}`
    default:
      return `<unknown metric type "${metric.type}">`
  }
}

/** Of a resource: the share of what is asked for, or the plain mean. */
function usageText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue !== undefined) return `:\t${current?.averageValue ?? '<unknown>'} / ${target.averageValue}`
  const share =
    current?.averageUtilization === undefined
      ? '<unknown>'
      : `${current.averageUtilization}% (${current.averageValue ?? '0'})`
  const wanted = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`
  return `  (as a percentage of request):\t${share} / ${wanted}`
}

function valueText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  return target?.averageValue === undefined
    ? `(target value):\t${current?.value ?? '<unknown>'} / ${target?.value}`
    : `(target average value):\t${current?.averageValue ?? '<unknown>'} / ${target.averageValue}`
}

function directionLines(title: string, rules: HPAScalingRules | undefined): string[] {
  if (!rules) return []
  const { stabilizationWindowSeconds, policies = [], selectPolicy = 'Max' } = rules
  return [
    `  ${title}:`,
    ...(stabilizationWindowSeconds === undefined
      ? []
      : [`    Stabilization Window: ${stabilizationWindowSeconds} seconds`]),
    ...(policies.length > 0
      ? [
          `    Select Policy: ${selectPolicy}`,
          '    Policies:',
          ...policies.map(
            (policy) => `      - Type: ${policy.type}\tValue: ${policy.value}\tPeriod: ${policy.periodSeconds} seconds`,
          ),
        ]
      : []),
  ]
}
