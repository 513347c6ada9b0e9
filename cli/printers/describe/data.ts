import type { ConfigMap, LimitRange, Namespace, ResourceQuota, Secret } from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, headLines, sortedEntries } from './lines.ts'

export function describeConfigMap(map: ConfigMap, context: DescribeContext): string[] {
  return [
    ...headLines(map),
    '',
    'Data',
    '====',
    ...sortedEntries(map.data).flatMap(([key, value]) => [`${key}:`, '----', ...value.split('\n'), '']),
    '',
    'BinaryData',
    '====',
    ...sortedEntries(map.binaryData).map(([key, value]) => `${key}: ${bytesOf(value)} bytes`),
    '',
    ...eventLines(context),
  ]
}

/** Never the values: only how long they are, except for service account tokens, as kubectl has it. */
export function describeSecret(secret: Secret): string[] {
  const skipped = new Set(['kubectl.kubernetes.io/last-applied-configuration'])
  const isToken = secret.type === 'kubernetes.io/service-account-token'
  const annotations = Object.fromEntries(
    Object.entries(secret.metadata.annotations ?? {}).filter(([key]) => !skipped.has(key)),
  )
  return [
    ...headLines({ ...secret, metadata: { ...secret.metadata, annotations } }),
    '',
    `Type:\t${secret.type ?? 'Opaque'}`,
    '',
    'Data',
    '====',
    ...sortedEntries(secret.data).map(([key, value]) =>
      isToken && key === 'token'
        ? `${key}:\t${Buffer.from(value, 'base64').toString('utf8')}`
        : `${key}:\t${bytesOf(value)} bytes`,
    ),
  ]
}

const bytesOf = (base64: string): number => Buffer.from(base64, 'base64').length

export interface NamespaceContext extends DescribeContext {
  quotas: readonly ResourceQuota[]
  limitRanges: readonly LimitRange[]
}

export function describeNamespace(namespace: Namespace, context: NamespaceContext): string[] {
  const { conditions } = namespace.status ?? {}
  return [
    ...headLines(namespace, false),
    `Status:\t${namespace.status?.phase ?? ''}`,
    ...(conditions?.length
      ? [
          'Conditions:',
          '  Type\tStatus\tLastTransitionTime\tReason\tMessage',
          '  ----\t------\t------------------\t------\t-------',
          ...conditions.map(
            (one) =>
              `  ${one.type}\t${one.status}\t${one.lastTransitionTime ?? ''}\t${one.reason ?? ''}\t${one.message ?? ''}`,
          ),
        ]
      : []),
    '',
    ...(context.quotas.length > 0
      ? ['Resource Quotas', ...context.quotas.flatMap(quotaLines)]
      : ['No resource quota.']),
    '',
    ...(context.limitRanges.length > 0
      ? [
          'Resource Limits',
          ' Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio',
          ' ----\t--------\t---\t---\t---------------\t-------------\t-----------------------',
          ...context.limitRanges.flatMap(limitRangeLines),
        ]
      : ['No LimitRange resource.']),
  ]
}

function quotaLines({ metadata, spec, status }: ResourceQuota): string[] {
  return [
    `  Name:\t${metadata.name}`,
    ...(spec?.scopes?.length ? [`  Scopes:\t${spec.scopes.join(', ')}`] : []),
    '  Resource\tUsed\tHard',
    '  --------\t---\t---',
    ...sortedEntries(status?.hard ?? spec?.hard).map(
      ([name, hard]) => `  ${name}\t${status?.used?.[name] ?? '0'}\t${hard}`,
    ),
  ]
}

export function limitRangeLines({ spec }: LimitRange): string[] {
  return (spec?.limits ?? []).flatMap((limit) => {
    const names = new Set(
      [limit.min, limit.max, limit.defaultRequest, limit.default, limit.maxLimitRequestRatio].flatMap((list) =>
        Object.keys(list ?? {}),
      ),
    )
    const cell = (list: Readonly<Record<string, string>> | undefined, name: string): string => list?.[name] ?? '-'
    return [...names].map(
      (name) =>
        ` ${limit.type}\t${name}\t${cell(limit.min, name)}\t${cell(limit.max, name)}\t${cell(limit.defaultRequest, name)}\t${cell(limit.default, name)}\t${cell(limit.maxLimitRequestRatio, name)}`,
    )
  })
}
