import type { GroupResource, KubeObject } from '../api/object.ts'
import type { FieldPath, FieldValue } from './decided.ts'
import { fieldPath, orderPath, selectorOf } from './field-path.ts'
import { sameJson } from '../lib/same-json.ts'
import type { FieldLayout } from './store.ts'

/** An object as leaves: path → value. Never holds null or undefined. */
export type Fields = Map<FieldPath, FieldValue>

/** Given by the store itself, hence never fields: the key names the object, the rest is derived. */
const derivedMetadata = new Set(['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'selfLink'])

/**
 * Who owns an entry of managedFields. The API calls the list one value; but writers at the same time add each its own
 * entry, and none of them is to be forgotten: what nobody owns the next apply would remove.
 */
const managerKeys = ['manager', 'operation', 'apiVersion', 'subresource']

/**
 * The flat form of an object. Leaves are scalars, empty objects and lists, lists without keys, and one marker for
 * each element of an associative list (its keys stand in the path). Status is coarser: its leaves are its top-level
 * fields and the elements of its top-level associative lists (conditions), each one whole.
 *
 * Fields that are null count as absent, as in every patch of Kubernetes.
 */
export function flatten(ref: GroupResource, object: KubeObject, layout: FieldLayout): Fields {
  const fields: Fields = new Map()
  for (const [name, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue
    if (name === 'metadata') flattenMetadata(ref, value as Record<string, unknown>, layout, fields)
    else if (name === 'status')
      flattenValue({ ref, layout, fields, depth: 1 }, 'status', below(undefined, 'status'), value)
    else flattenValue({ ref, layout, fields, depth: Infinity }, fieldPath('', name), below(undefined, name), value)
  }
  return fields
}

/**
 * The flat forms of two states of an object, without the sections (top-level fields, and those of metadata) that are
 * the same in both: comparing whole sections costs a tenth of flattening them.
 */
export function flattenDifferences(
  ref: GroupResource,
  base: KubeObject,
  object: KubeObject,
  layout: FieldLayout,
): [Fields, Fields] {
  const [left, right] = withoutSame({ ...base }, { ...object })
  if (left.metadata && right.metadata) {
    const [leftMetadata, rightMetadata] = withoutSame({ ...left.metadata }, { ...right.metadata })
    left.metadata = leftMetadata
    right.metadata = rightMetadata
  }
  return [flatten(ref, left, layout), flatten(ref, right, layout)]
}

function withoutSame<T extends object>(a: T, b: T): [T, T] {
  for (const name of Object.keys(a) as (keyof T)[]) {
    if (!sameJson(a[name], b[name])) continue
    delete a[name]
    delete b[name]
  }
  return [a, b]
}

/** Field names, the last first: most values are no lists, and need none. */
interface SchemaPath {
  readonly parent: SchemaPath | undefined
  readonly name: string
}

const below = (parent: SchemaPath | undefined, name: string): SchemaPath => ({ parent, name })

function namesOf(path: SchemaPath): string[] {
  const names: string[] = []
  for (let at: SchemaPath | undefined = path; at; at = at.parent) names.push(at.name)
  return names.reverse()
}

interface Walk {
  ref: GroupResource
  layout: FieldLayout
  fields: Fields
  /** How many objects may still be entered; what lies deeper is one value. */
  depth: number
}

function flattenMetadata(ref: GroupResource, metadata: Record<string, unknown>, layout: FieldLayout, fields: Fields) {
  for (const [name, value] of Object.entries(metadata)) {
    if (derivedMetadata.has(name) || value === null || value === undefined) continue
    const path = fieldPath('metadata', name)
    if (name === 'managedFields' && Array.isArray(value)) {
      flattenElements({ ref, layout, fields, depth: 0 }, path, undefined, value, managerKeys)
      continue
    }
    flattenValue({ ref, layout, fields, depth: Infinity }, path, below(below(undefined, 'metadata'), name), value)
  }
}

function flattenValue(walk: Walk, path: FieldPath, schemaPath: SchemaPath, value: unknown): void {
  if (Array.isArray(value)) {
    flattenList(walk, path, schemaPath, value)
    return
  }
  if (typeof value !== 'object' || value === null || walk.depth === 0) {
    walk.fields.set(path, value)
    return
  }
  const inner = walk.depth === Infinity ? walk : { ...walk, depth: walk.depth - 1 }
  let empty = true
  for (const name in value) {
    const child = (value as Record<string, unknown>)[name]
    if (child === null || child === undefined) continue
    empty = false
    flattenValue(inner, fieldPath(path, name), below(schemaPath, name), child)
  }
  if (empty) walk.fields.set(path, {})
}

function flattenList(walk: Walk, path: FieldPath, schemaPath: SchemaPath, list: readonly unknown[]): void {
  flattenElements(walk, path, schemaPath, list, walk.layout.listKeys(walk.ref, namesOf(schemaPath)))
}

function flattenElements(
  walk: Walk,
  path: FieldPath,
  schemaPath: SchemaPath | undefined,
  list: readonly unknown[],
  keys: readonly string[] | undefined,
): void {
  const selectors = keys && list.length > 0 ? selectorsOf(list, keys) : undefined
  if (!keys || !selectors) {
    walk.fields.set(path, list)
    return
  }
  list.forEach((element, index) => {
    const elementPath = path + selectors[index]
    if (keys.length === 0) {
      walk.fields.set(elementPath, true)
    } else if (walk.depth === 0) {
      walk.fields.set(elementPath, element)
    } else {
      walk.fields.set(elementPath, {})
      for (const name in element as object) {
        const child = (element as Record<string, unknown>)[name]
        if (keys.includes(name) || child === null || child === undefined) continue
        flattenValue(walk, fieldPath(elementPath, name), below(schemaPath, name), child)
      }
    }
  })
  if (list.length > 1) walk.fields.set(orderPath(path), selectors)
}

/** The elements' selectors; undefined when elements cannot be told apart by `keys`, which makes the list one value. */
function selectorsOf(list: readonly unknown[], keys: readonly string[]): string[] | undefined {
  const selectors: string[] = []
  const seen = new Set<string>()
  for (const element of list) {
    const selector = keys.length === 0 ? setSelector(element) : elementSelector(element, keys)
    if (selector === undefined || seen.has(selector)) return undefined
    seen.add(selector)
    selectors.push(selector)
  }
  return selectors
}

const setSelector = (element: unknown): string | undefined =>
  isScalar(element) && element !== null ? selectorOf([['', element]]) : undefined

function elementSelector(element: unknown, keys: readonly string[]): string | undefined {
  if (typeof element !== 'object' || element === null || Array.isArray(element)) return undefined
  const values = keys.map((key) => [key, (element as Record<string, unknown>)[key] ?? null] as const)
  if (values.every(([, value]) => value === null) || !values.every(([, value]) => isScalar(value))) return undefined
  return selectorOf(values)
}

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null
