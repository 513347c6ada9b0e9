import type { HorizontalPodAutoscaler, MetricSpec, MetricTarget } from '../../src/api/kinds.ts'
import { quantityError } from '../../src/lib/quantity.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { createObject, createOptions } from '../create-object.ts'
import { apiVersionOf } from '../discovery.ts'
import { selectObjects } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'
import { fileOptions } from '../write-manifests.ts'

const target = {
  group: 'autoscaling',
  version: 'v2',
  resource: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  namespaced: true,
}

export const autoscaleCommand: CommandDefinition = {
  name: 'autoscale',
  arguments: '[type/name...]',
  summary: 'Let the number of replicas follow the CPU in use',
  options: [
    ...namespaceOptions,
    { flags: '--min <count>', summary: 'least replicas', integer: true },
    { flags: '--max <count>', summary: 'most replicas', integer: true },
    { flags: '--cpu-percent <percent>', summary: 'wanted mean, in percent of what the pods ask for', integer: true },
    { flags: '--cpu <target>', summary: 'wanted mean of the CPU: 70% of what the pods ask for, or 500m' },
    { flags: '--memory <target>', summary: 'wanted mean of the memory: 60%, or 200Mi' },
    ...fileOptions,
    { flags: '--name <name>', summary: "name of the autoscaler (default: the workload's)" },
    ...createOptions,
  ],
  examples: `Examples:
  stormo autoscale deployment web --min=2 --max=10 --cpu-percent=80`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const [min, max] = [option.integer(invocation, 'min'), option.integer(invocation, 'max')]
      if (max === undefined || max < 1) throw new UsageError('--max=MAXPODS is required and must be at least 1')
      if (min !== undefined && min > max)
        throw new UsageError(`--max=MAXPODS must be larger or equal to --min=MINPODS, max: ${max}, min: ${min}`)
      const metrics = metricsOf(invocation)
      for (const { resource, name, object } of await selectObjects(invocation, client, { needExist: true })) {
        const autoscaler: HorizontalPodAutoscaler = {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: option.text(invocation, 'name') ?? name },
          spec: {
            scaleTargetRef: { apiVersion: object?.apiVersion ?? apiVersionOf(resource), kind: resource.kind, name },
            ...(min === undefined ? {} : { minReplicas: min }),
            maxReplicas: max,
            ...(metrics.length > 0 ? { metrics } : {}),
          },
        }
        await createObject(invocation, client, target, autoscaler, 'autoscaled')
      }
    }),
}

function metricsOf(invocation: Invocation): MetricSpec[] {
  const percent = option.integer(invocation, 'cpuPercent')
  const cpu = option.text(invocation, 'cpu')
  if (percent !== undefined && cpu !== undefined)
    throw new UsageError('--cpu-percent and --cpu cannot be used together')
  const wanted = { cpu: percent === undefined ? cpu : `${percent}%`, memory: option.text(invocation, 'memory') }
  return (['cpu', 'memory'] as const).flatMap((name) => {
    const text = wanted[name]
    return text === undefined ? [] : [{ type: 'Resource', resource: { name, target: metricTarget(name, text) } }]
  })
}

/** `70%` of what the pods ask for, or a mean such as `500m`. */
function metricTarget(name: string, text: string): MetricTarget {
  const percent = /^(\d+)%$/.exec(text)
  if (percent && Number(percent[1]) > 0) return { type: 'Utilization', averageUtilization: Number(percent[1]) }
  if (percent || quantityError(text) !== undefined)
    throw new UsageError(`--${name} ${text}: must be a percentage such as 70% or a quantity such as 500m`)
  return { type: 'AverageValue', averageValue: text }
}
