import { emptySet, type FieldSet, type MutableFieldSet, newSet } from './field-set.ts'
import { isJsonObject } from './merge-patch.ts'

type Json = Record<string, unknown>

/** Deepest nesting of a FieldsV1 that is read; deeper ones are not of a server. */
const maxDepth = 500

/** FieldsV1 JSON of a set: `{}` is a member without children, `"."` marks a member that has some. Keys are sorted. */
export function encodeFieldsV1(set: FieldSet): Json {
  const known = encoded.get(set)
  if (known) return known
  const result: Json = {}
  for (const element of [...set.children.keys()].toSorted()) {
    const child = set.children.get(element)!
    const fields = encodeFieldsV1(child)
    result[element] = child.member && child.children.size > 0 ? { '.': {}, ...fields } : fields
  }
  return result
}

const decoded = new WeakMap<object, FieldSet>()
/** The other way round: a set that a write leaves alone is written as it was read. */
const encoded = new WeakMap<FieldSet, Json>()

/**
 * The set of a FieldsV1 JSON. Elements that no server writes are ignored. Remembered by identity, because the stored
 * objects are frozen and read again at every write.
 */
export function decodeFieldsV1(fields: unknown): FieldSet {
  if (!isJsonObject(fields)) return emptySet
  const known = decoded.get(fields)
  if (known) return known
  const set = decodeNode(fields, 0)
  set.member = false
  if (Object.isFrozen(fields)) {
    decoded.set(fields, set)
    encoded.set(set, fields)
  }
  return set
}

function decodeNode(fields: Json, depth: number): MutableFieldSet {
  const set = newSet()
  const elements = Object.keys(fields)
  if (elements.length === 0) set.member = true
  if (depth > maxDepth) return set
  for (const element of elements) {
    const child = fields[element]
    if (element === '.') set.member = true
    else if (isJsonObject(child) && isPathElement(element)) set.children.set(element, decodeNode(child, depth + 1))
  }
  return set
}

function isPathElement(element: string): boolean {
  if (element.startsWith('f:')) return true
  if (element.startsWith('i:')) return /^i:\d+$/.test(element)
  if (!element.startsWith('k:') && !element.startsWith('v:')) return false
  try {
    const value: unknown = JSON.parse(element.slice(2))
    return element.startsWith('v:') || isJsonObject(value)
  } catch {
    return false
  }
}
