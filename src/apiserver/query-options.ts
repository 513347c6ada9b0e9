import { errors } from '../api/status-error.ts'
import type { DeleteRequest, ListRequest, PatchOptions, WriteOptions } from '../registry/options.ts'
import { isTrue } from './request-info.ts'

/** ListOptions of a query string. Throws BadRequest. */
export function listOptions(query: URLSearchParams): ListRequest {
  const text = (name: string) => query.get(name) ?? undefined
  const initial = text('sendInitialEvents')
  return {
    labelSelector: text('labelSelector'),
    fieldSelector: text('fieldSelector'),
    limit: integer(query, 'limit'),
    continue: text('continue') || undefined,
    resourceVersion: text('resourceVersion'),
    resourceVersionMatch: text('resourceVersionMatch') || undefined,
    sendInitialEvents: initial === undefined ? undefined : isTrue(initial),
    allowWatchBookmarks: isTrue(text('allowWatchBookmarks')),
    timeoutSeconds: integer(query, 'timeoutSeconds'),
  }
}

/** CreateOptions, UpdateOptions, PatchOptions. Throws BadRequest or Invalid. */
export function writeOptions(query: URLSearchParams): PatchOptions {
  const validation = query.get('fieldValidation') ?? ''
  if (validation !== '' && validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore') {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [
      {
        reason: 'FieldValueNotSupported',
        field: 'fieldValidation',
        message: `Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`,
      },
    ])
  }
  const fieldManager = query.get('fieldManager') ?? undefined
  if (fieldManager !== undefined && fieldManager.length > 128) {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [
      { reason: 'FieldValueTooLong', field: 'fieldManager', message: 'Too long: may not be more than 128 bytes' },
    ])
  }
  return {
    dryRun: dryRunOf(query.getAll('dryRun')),
    fieldManager,
    fieldValidation: validation === '' ? undefined : (validation as WriteOptions['fieldValidation']),
    force: isTrue(query.get('force')),
  }
}

/** DeleteOptions: the body's fields, those of the query where it has none. Throws BadRequest or Invalid. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteRequest {
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const policy = given.propagationPolicy ?? query.get('propagationPolicy') ?? undefined
  if (
    policy !== undefined &&
    policy !== '' &&
    policy !== 'Foreground' &&
    policy !== 'Background' &&
    policy !== 'Orphan'
  ) {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        reason: 'FieldValueNotSupported',
        field: 'propagationPolicy',
        message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Background", "Foreground", "Orphan", "nil"`,
      },
    ])
  }
  const grace = given.gracePeriodSeconds ?? integer(query, 'gracePeriodSeconds')
  if (grace !== undefined && grace !== null && (typeof grace !== 'number' || !Number.isInteger(grace) || grace < 0)) {
    throw errors.badRequest('gracePeriodSeconds must be a non-negative integer')
  }
  const orphan =
    given.orphanDependents ?? (query.has('orphanDependents') ? isTrue(query.get('orphanDependents')) : undefined)
  const wanted = given.preconditions as { uid?: string; resourceVersion?: string } | undefined
  const preconditions =
    wanted && (wanted.uid !== undefined || wanted.resourceVersion !== undefined) ? wanted : undefined
  return {
    dryRun: dryRunOf([...query.getAll('dryRun'), ...(Array.isArray(given.dryRun) ? (given.dryRun as string[]) : [])]),
    ...(typeof grace === 'number' ? { gracePeriodSeconds: grace } : {}),
    ...(typeof orphan === 'boolean' ? { orphanDependents: orphan } : {}),
    ...(policy ? { propagationPolicy: policy as DeleteRequest['propagationPolicy'] } : {}),
    ...(preconditions ? { preconditions } : {}),
  }
}

function dryRunOf(values: readonly string[]): boolean {
  const wanted = values.filter((value) => value !== '')
  if (wanted.some((value) => value !== 'All')) {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [
      {
        reason: 'FieldValueNotSupported',
        field: 'dryRun',
        message: `Unsupported value: ${JSON.stringify(wanted)}: supported values: "All"`,
      },
    ])
  }
  return wanted.length > 0
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^-?\d{1,15}$/.test(text))
    throw errors.badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be an integer`)
  return Number(text)
}
