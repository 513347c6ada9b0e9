import type { StatusCause } from '../api/kinds.ts'
import { StatusError } from '../api/status-error.ts'
import { type FieldSet, memberPaths, printPath } from './field-set.ts'
import type { Manager } from './managed-fields.ts'

/** Fields that an apply would change and somebody else manages. */
export interface ApplyConflict {
  manager: Manager
  fields: FieldSet
}

/** 409 with one FieldManagerConflict cause a field, in upstream's words. */
export function conflictError(conflicts: readonly ApplyConflict[]): StatusError {
  const found = conflicts.flatMap(({ manager, fields }) =>
    memberPaths(fields).map((path) => ({ who: printManager(manager), field: printPath(path) })),
  )
  const causes: StatusCause[] = found.map(({ who, field }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${who}`,
    field,
  }))
  return new StatusError('Conflict', conflictMessage(found), { causes })
}

function conflictMessage(found: readonly { who: string; field: string }[]): string {
  const [only] = found
  if (only && found.length === 1) return `Apply failed with 1 conflict: conflict with ${only.who}: ${only.field}`
  const byManager = [...Map.groupBy(found, ({ who }) => who)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const lines = byManager.flatMap(([who, fields]) => [
    `conflicts with ${who}:`,
    ...fields.map(({ field }) => `- ${field}`),
  ])
  return `Apply failed with ${found.length} conflicts: ${lines.join('\n')}`
}

function printManager({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`)
  return operation === 'Update' ? `${name} using ${apiVersion}` : name
}
