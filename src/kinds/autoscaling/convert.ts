import type { AutoscalingV1HorizontalPodAutoscaler, HorizontalPodAutoscaler } from '../../api/kinds.ts'

type V1 = AutoscalingV1HorizontalPodAutoscaler
type V2 = HorizontalPodAutoscaler

/** Annotations in which v1 carries what it has no fields for. */
const carriers = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
} as const

type Metric = NonNullable<NonNullable<V2['spec']>['metrics']>[number]

const isCpuUtilization = ({ resource }: Metric) =>
  resource?.name === 'cpu' && resource.target.averageUtilization !== undefined

/** v1 as it is stored. Carried annotations that are no JSON are dropped, as upstream does. */
export function toV2(autoscaler: V1): V2 {
  const annotations = { ...autoscaler.metadata.annotations }
  const carried = Object.fromEntries(
    Object.entries(carriers).map(([field, key]) => [field, parse(annotations[key])]),
  ) as Record<keyof typeof carriers, unknown>
  for (const key of Object.values(carriers)) delete annotations[key]
  const { targetCPUUtilizationPercentage: target, ...spec } = autoscaler.spec ?? {
    maxReplicas: 0,
    scaleTargetRef: { kind: '', name: '' },
  }
  const { currentCPUUtilizationPercentage: current, ...status } = autoscaler.status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  }
  const metrics = Array.isArray(carried.metrics) ? (carried.metrics as Metric[]) : []
  if (target !== undefined) {
    metrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
    })
  }
  const currentMetrics = Array.isArray(carried.currentMetrics) ? (carried.currentMetrics as object[]) : []
  if (current !== undefined) {
    currentMetrics.unshift({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: current } } })
  }
  return {
    ...autoscaler,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(autoscaler.metadata, annotations),
    spec: {
      ...spec,
      ...(metrics.length > 0 ? { metrics } : {}),
      ...(carried.behavior ? { behavior: carried.behavior } : {}),
    },
    ...(autoscaler.status
      ? {
          status: {
            ...status,
            ...(currentMetrics.length > 0 ? { currentMetrics } : {}),
            ...(Array.isArray(carried.conditions) ? { conditions: carried.conditions } : {}),
          },
        }
      : {}),
  } as V2
}

/** Reverse of {@link toV2}: nothing is lost on the way. */
export function fromV2(autoscaler: V2): V1 {
  const annotations = { ...autoscaler.metadata.annotations }
  const {
    metrics = [],
    behavior,
    ...spec
  } = autoscaler.spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } }
  const cpu = metrics.find(isCpuUtilization)
  const others = metrics.filter((metric) => metric !== cpu)
  if (others.length > 0) annotations[carriers.metrics] = JSON.stringify(others)
  if (behavior) annotations[carriers.behavior] = JSON.stringify(behavior)
  const { currentMetrics = [], conditions, ...status } = autoscaler.status ?? { desiredReplicas: 0 }
  const currentCpu = currentMetrics?.find(({ resource }) => resource?.name === 'cpu')?.resource?.current
    .averageUtilization
  if (currentMetrics && currentMetrics.length > 0) annotations[carriers.currentMetrics] = JSON.stringify(currentMetrics)
  if (conditions?.length) annotations[carriers.conditions] = JSON.stringify(conditions)
  const target = cpu?.resource?.target.averageUtilization
  return {
    ...autoscaler,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(autoscaler.metadata, annotations),
    spec: { ...spec, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) },
    ...(autoscaler.status
      ? { status: { ...status, ...(currentCpu === undefined ? {} : { currentCPUUtilizationPercentage: currentCpu }) } }
      : {}),
  } as V1
}

function withAnnotations(metadata: V1['metadata'], annotations: Record<string, string>): V1['metadata'] {
  const { annotations: _old, ...rest } = metadata
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest
}

function parse(json: string | undefined): unknown {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
