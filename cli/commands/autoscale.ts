import type { KubeObject } from '../../src/api/object.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { createObject, createOptions } from '../create-object.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'

const target = {
  group: 'autoscaling',
  version: 'v2',
  resource: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  namespaced: true,
}

export const autoscaleCommand: CommandDefinition = {
  name: 'autoscale',
  arguments: '<type/name...>',
  summary: 'Let the number of replicas follow the CPU in use',
  options: [
    ...namespaceOptions,
    { flags: '--min <count>', summary: 'least replicas', integer: true },
    { flags: '--max <count>', summary: 'most replicas', integer: true },
    { flags: '--cpu-percent <percent>', summary: 'wanted mean, in percent of what the pods ask for', integer: true },
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
      const { resource, name } = await objectTarget(client, invocation.args)
      const workload = await client.json<KubeObject>({ path: pathOf(resource, namespaceOf(invocation, client), name) })
      const percent = option.integer(invocation, 'cpuPercent')
      const averageUtilization = percent === undefined ? {} : { averageUtilization: percent }
      await createObject(
        invocation,
        client,
        target,
        {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: option.text(invocation, 'name') ?? name },
          spec: {
            scaleTargetRef: { apiVersion: workload.apiVersion, kind: workload.kind, name },
            ...(min === undefined ? {} : { minReplicas: min }),
            maxReplicas: max,
            ...(percent === undefined
              ? {}
              : {
                  metrics: [
                    {
                      type: 'Resource',
                      resource: { name: 'cpu', target: { type: 'Utilization', ...averageUtilization } },
                    },
                  ],
                }),
          },
        } as KubeObject,
        'autoscaled',
      )
    }),
}
