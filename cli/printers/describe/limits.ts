import type { LimitRange, PodDisruptionBudget, PriorityClass, ResourceQuota } from '../../../src/api/kinds.ts'
import { formatLabels, formatLabelSelector } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, indent, sortedEntries } from './lines.ts'

const scopeTexts = new Map([
  [
    'Terminating',
    'Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system.',
  ],
  [
    'NotTerminating',
    'Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate.',
  ],
  [
    'BestEffort',
    'Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.',
  ],
  [
    'NotBestEffort',
    'Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service.',
  ],
])

/** A quota with what is used of it; kubectl rules the table of a namespace's quota one dash shorter than that of a quota alone. */
export function quotaLines({ metadata, spec, status }: ResourceQuota, isPart = false): string[] {
  const scopes = (spec?.scopes ?? []).toSorted()
  const rule = isPart ? '---' : '----'
  return [
    `Name:\t${metadata.name}`,
    ...(isPart ? [] : [`Namespace:\t${metadata.namespace}`]),
    ...(scopes.length > 0 ? [`Scopes:\t${scopes.join(', ')}`] : []),
    ...scopes.flatMap((scope) => {
      const text = scopeTexts.get(scope)
      return text ? [`${isPart ? '' : ' '}* ${text}`] : []
    }),
    'Resource\tUsed\tHard',
    `--------\t${rule}\t${rule}`,
    ...sortedEntries(status?.hard).map(([name, hard]) => `${name}\t${status?.used?.[name] ?? '0'}\t${hard}`),
  ]
}

export const describeQuota = (quota: ResourceQuota): string[] => quotaLines(quota)

export const limitHeader = [
  'Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio',
  '----\t--------\t---\t---\t---------------\t-------------\t-----------------------',
]

export const describeLimitRange = (range: LimitRange): string[] => [
  `Name:\t${range.metadata.name}`,
  `Namespace:\t${range.metadata.namespace}`,
  ...limitHeader,
  ...limitLines(range),
]

export function limitLines({ spec }: LimitRange): string[] {
  return (spec?.limits ?? []).flatMap((limit) => {
    const lists = [limit.min, limit.max, limit.defaultRequest, limit.default, limit.maxLimitRequestRatio]
    const names = new Set(lists.flatMap((list) => Object.keys(list ?? {})))
    return [...names]
      .toSorted()
      .map((name) => [limit.type, name, ...lists.map((list) => list?.[name] ?? '-')].join('\t'))
  })
}

export function describeDisruptionBudget(budget: PodDisruptionBudget, context: DescribeContext): string[] {
  const { metadata, spec, status } = budget
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace}`,
    ...(spec?.minAvailable === undefined
      ? spec?.maxUnavailable === undefined
        ? []
        : [`Max unavailable:\t${spec.maxUnavailable}`]
      : [`Min available:\t${spec.minAvailable}`]),
    `Selector:\t${spec?.selector ? formatLabelSelector(spec.selector) : '<unset>'}`,
    'Status:',
    ...indent(2, [
      `Allowed disruptions:\t${status?.disruptionsAllowed ?? 0}`,
      `Current:\t${status?.currentHealthy ?? 0}`,
      `Desired:\t${status?.desiredHealthy ?? 0}`,
      `Total:\t${status?.expectedPods ?? 0}`,
    ]),
    ...eventLines(context),
  ]
}

export const describePriorityClass = (priority: PriorityClass, context: DescribeContext): string[] => [
  `Name:\t${priority.metadata.name}`,
  `Value:\t${priority.value}`,
  `GlobalDefault:\t${priority.globalDefault ?? false}`,
  `PreemptionPolicy:\t${priority.preemptionPolicy ?? ''}`,
  `Description:\t${priority.description ?? ''}`,
  ...`Annotations:\t${formatLabels(priority.metadata.annotations)}`.split('\n'),
  ...eventLines(context),
]
