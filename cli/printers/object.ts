import { stringify } from 'yaml'
import type { KubeObject } from '../../src/api/object.ts'
import { UsageError } from '../command.ts'

/** Structured output of one object or a List; undefined when the format is for a table. */
export function printObject(object: object, format: string | undefined): string | undefined {
  switch (format) {
    case 'json':
      return JSON.stringify(withoutManagedFields(object), null, 4) + '\n'
    case 'yaml':
      return stringify(withoutManagedFields(object), { lineWidth: 0 })
    case undefined:
    case '':
    case 'wide':
    case 'name':
      return undefined
    default:
      throw new UsageError(
        `unable to match a printer suitable for the output format "${format}", allowed formats are: json,name,wide,yaml`,
      )
  }
}

/** As kubectl does without --show-managed-fields. */
function withoutManagedFields<T extends object>(object: T): T {
  const one = object as Partial<KubeObject> & { items?: KubeObject[] }
  if (one.items) return { ...object, items: one.items.map(withoutManagedFields) }
  if (!one.metadata?.managedFields) return object
  const { managedFields: _, ...metadata } = one.metadata
  return { ...object, metadata }
}
