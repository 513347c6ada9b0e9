import { childOf, type FieldSet, type MutableFieldSet, newSet } from './field-set.ts'
import { indexItems, isAtomic, itemElement } from './list-items.ts'
import { sameJson } from '../lib/same-json.ts'
import { isJsonObject } from './merge-patch.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

/** Schema of a member: a declared field, a map's value, or unknown (then maps are granular and lists atomic). */
function memberOf(schema: Schema | undefined, key: string): { schema: Schema | undefined; field: Field | undefined } {
  const field = schema?.fields.get(key)
  return { schema: field?.schema ?? schema?.values, field }
}

/**
 * The paths that an applied configuration sets: every leaf, every item of an associative list and every entry of a map,
 * but not the structs in between.
 * @param problems gets what cannot be typed, as upstream words it: duplicate or keyless items, unknown fields
 */
export function fieldSetOf(value: unknown, schema: Schema, problems: string[] = []): FieldSet {
  const set = newSet()
  collect(value, schema, undefined, set, '', problems)
  set.member = false
  return set
}

function collect(
  value: unknown,
  schema: Schema | undefined,
  field: Field | undefined,
  into: MutableFieldSet,
  path: string,
  problems: string[],
): void {
  const structured = typeof value === 'object' && value !== null && !isAtomic(schema, field?.mapType)
  if (!structured || (Array.isArray(value) && !schema?.items)) {
    into.member = true
    return
  }
  if (Array.isArray(value)) collectItems(value, schema!, into, path, problems)
  else collectMembers(value as Json, schema, into, path, problems)
}

function collectMembers(
  value: Json,
  schema: Schema | undefined,
  into: MutableFieldSet,
  path: string,
  problems: string[],
): void {
  for (const key of Object.keys(value)) {
    const member = memberOf(schema, key)
    if (!member.schema && schema && !schema.preserveUnknown)
      problems.push(`${path}.${key}: field not declared in schema`)
    const child = childOf(into, `f:${key}`)
    collect(value[key], member.schema, member.field, child, `${path}.${key}`, problems)
    const empty = isJsonObject(value[key]) && Object.keys(value[key]).length === 0
    if (!member.field || empty) child.member = true
    // An empty associative list sets nothing that could be owned.
    if (!child.member && child.children.size === 0) into.children.delete(`f:${key}`)
  }
}

function collectItems(value: unknown[], schema: Schema, into: MutableFieldSet, path: string, problems: string[]): void {
  for (const [index, item] of value.entries()) {
    const named = itemElement(item, index, schema)
    if ('problem' in named) {
      problems.push(`${path}: ${named.problem}`)
      continue
    }
    if (into.children.has(named.element)) problems.push(`${path}: duplicate entries for key ${printKey(named.element)}`)
    const child = childOf(into, named.element)
    if (schema.listType === 'map') collect(item, schema.items, undefined, child, `${path}[${index}]`, problems)
    child.member = true
  }
}

function printKey(element: string): string {
  if (!element.startsWith('k:')) return `[=${element.slice(2)}]`
  const keys = Object.entries(JSON.parse(element.slice(2)) as Json)
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
}

/** What changed between two versions of an object, as paths. */
export interface Comparison {
  added: FieldSet
  modified: FieldSet
  removed: FieldSet
}

/**
 * Compares two objects of one schema. A struct that upstream's Go type always holds (no pointer, no omitempty) counts
 * as present in an object without it, so that creating a Deployment adds `f:spec: {f:replicas…}` and not `f:spec: {.}`.
 */
export function compareFields(before: unknown, after: unknown, schema: Schema): Comparison {
  const sets = { added: newSet(), modified: newSet(), removed: newSet() }
  compareNode(before, after, schema, undefined, [], sets, { before, after })
  return sets
}

type Sets = Record<keyof Comparison, MutableFieldSet>

function mark(set: MutableFieldSet, path: readonly string[]): void {
  let node = set
  for (const element of path) node = childOf(node, element)
  node.member = true
}

function compareNode(
  before: unknown,
  after: unknown,
  schema: Schema | undefined,
  field: Field | undefined,
  path: string[],
  sets: Sets,
  parents: { before: unknown; after: unknown },
): void {
  if (before === after) return
  const old = before ?? impliedBy(field, after, parents.before)
  const now = after ?? impliedBy(field, before, parents.after)
  if (
    isWhole(old, schema, field) ||
    isWhole(now, schema, field) ||
    Array.isArray(old ?? now) !== Array.isArray(now ?? old)
  ) {
    if (old === undefined) mark(sets.added, path)
    else if (now === undefined) mark(sets.removed, path)
    else if (!sameJson(old, now)) mark(sets.modified, path)
    return
  }
  if (old === undefined) mark(sets.added, path)
  else if (now === undefined) mark(sets.removed, path)
  if (Array.isArray(old ?? now))
    compareItems(old as unknown[] | undefined, now as unknown[] | undefined, schema!, path, sets)
  else compareMembers(old as Json | undefined, now as Json | undefined, schema, path, sets)
}

/** An absent value that Go holds nevertheless, when it holds the parent: the empty struct, or the null of a list that is always written. */
function impliedBy(field: Field | undefined, other: unknown, parent: unknown): unknown {
  if (
    parent === undefined ||
    !field ||
    field.pointer ||
    field.schema.rules ||
    typeof other !== 'object' ||
    other === null
  )
    return undefined
  if (Array.isArray(other)) return field.always ? [] : undefined
  return field.schema.type === 'object' && field.schema.name !== undefined && !field.schema.preserveUnknown
    ? {}
    : undefined
}

/** A value that is compared as one: scalars, atomic lists and maps, and lists of unknown type. */
function isWhole(value: unknown, schema: Schema | undefined, field: Field | undefined): boolean {
  if (value === undefined) return false
  if (typeof value !== 'object' || value === null) return true
  return isAtomic(schema, field?.mapType) || (Array.isArray(value) && !schema?.items)
}

function compareMembers(
  before: Json | undefined,
  after: Json | undefined,
  schema: Schema | undefined,
  path: string[],
  sets: Sets,
): void {
  const parents = { before, after }
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  for (const key of keys) {
    const member = memberOf(schema, key)
    const old = before && Object.hasOwn(before, key) ? before[key] : undefined
    const now = after && Object.hasOwn(after, key) ? after[key] : undefined
    path.push(`f:${key}`)
    compareNode(old, now, member.schema, member.field, path, sets, parents)
    path.pop()
  }
}

function compareItems(
  before: unknown[] | undefined,
  after: unknown[] | undefined,
  schema: Schema,
  path: string[],
  sets: Sets,
): void {
  const parents = { before, after }
  const oldItems = indexItems(before ?? [], schema)
  const newItems = indexItems(after ?? [], schema)
  for (const element of new Set([...oldItems.keys(), ...newItems.keys()])) {
    path.push(element)
    compareNode(oldItems.get(element), newItems.get(element), schema.items, undefined, path, sets, parents)
    path.pop()
  }
}
