import type { ConfigMap, LimitRange, Namespace, ResourceQuota, Secret } from '../../../src/api/kinds.ts'
import { eventLines } from './events.ts'
import { limitHeader, limitLines, quotaLines } from './limits.ts'
import { type DescribeContext, headLines, indent, sortedEntries } from './lines.ts'

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
      ? [
          'Resource Quotas',
          ...indent(
            1,
            context.quotas.flatMap((quota) => quotaLines(quota, true)),
          ),
        ]
      : ['No resource quota.']),
    '',
    ...(context.limitRanges.length > 0
      ? ['Resource Limits', ...[...limitHeader, ...context.limitRanges.flatMap(limitLines)].map((line) => ` ${line}`)]
      : ['No LimitRange resource.']),
  ]
}
