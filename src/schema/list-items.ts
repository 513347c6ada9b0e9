import { isJsonObject } from './merge-patch.ts'
import type { Schema } from './schema.ts'

type Json = Record<string, unknown>

/** How a list merges: `atomic` lists are one value. A list without a declared type is atomic. */
export function listKind(schema: Schema): 'atomic' | 'set' | 'map' {
  return schema.listType ?? 'atomic'
}

/** Whether a value of this schema is one value to server-side apply. */
export function isAtomic(schema: Schema | undefined, mapType?: 'atomic' | 'granular'): boolean {
  if (!schema) return false
  if (schema.type === 'array') return listKind(schema) === 'atomic'
  if (schema.type !== 'object' && schema.type !== 'any') return false
  const declared = mapType ?? schema.mapType
  if (declared) return declared === 'atomic'
  // RawExtension and FieldsV1 are opaque bytes; an untyped object of a CRD is not.
  return schema.preserveUnknown && schema.rules === undefined
}

/**
 * The FieldsV1 element of one item of a set or map list, or why it has none. Keys that the item omits take the default
 * of their field, as upstream's do (`protocol: TCP`).
 */
export function itemElement(item: unknown, index: number, schema: Schema): { element: string } | { problem: string } {
  if (listKind(schema) === 'set') {
    if (typeof item === 'object') return { problem: `element ${index}: only scalars can be elements of a set` }
    return { element: `v:${JSON.stringify(item)}` }
  }
  if (!isJsonObject(item))
    return { problem: `element ${index}: associative list with keys may not have non-map elements` }
  const keys: Json = {}
  for (const name of schema.listMapKeys.toSorted()) {
    const own = Object.hasOwn(item, name) ? item[name] : undefined
    const value = own ?? schema.items?.fields.get(name)?.default
    if (value === undefined || value === null) {
      if (isOptionalKey(schema, name)) continue
      return {
        problem: `element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(name)} (and doesn't have default value)`,
      }
    }
    keys[name] = value
  }
  if (Object.keys(keys).length === 0) {
    return { problem: `element ${index}: associative list with keys has an element that omits all key fields` }
  }
  return { element: `k:${JSON.stringify(keys)}` }
}

/** One of several keys may be left out when its field is optional; a single key may not. */
function isOptionalKey(schema: Schema, name: string): boolean {
  return schema.listMapKeys.length > 1 && !(schema.items?.fields.get(name)?.required ?? false)
}

/** Items by element, in order. A duplicate (only in objects stored before apply) keeps its first place. */
export function indexItems(items: readonly unknown[], schema: Schema): Map<string, unknown> {
  const byElement = new Map<string, unknown>()
  for (const [index, item] of items.entries()) {
    const named = itemElement(item, index, schema)
    const element = 'element' in named ? named.element : `i:${index}`
    if (!byElement.has(element)) byElement.set(element, item)
  }
  return byElement
}
