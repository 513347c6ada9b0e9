import { copyJson } from '../lib/copy-json.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

/**
 * Sets the defaults that the schema declares, in place: built-in `default`s, and a CRD's under OpenAPI rules (nulls of
 * fields that are not nullable and have a default are dropped first). Idempotent. Defaults that depend on other fields
 * are the kind's own strategy.
 */
export function applySchemaDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const element of value) applySchemaDefaults(element, schema.items)
    return
  }
  if (typeof value !== 'object' || value === null || !hasDefaults(schema)) return
  const object = value as Json
  for (const [name, field] of outlineOf(schema).withDefault) setDefault(object, name, field)
  for (const name of Object.keys(object)) {
    const field = schema.fields.get(name)
    if (field) applySchemaDefaults(object[name], field.schema)
  }
  if (schema.values) for (const key of Object.keys(object)) applySchemaDefaults(object[key], schema.values)
}

function setDefault(object: Json, name: string, field: Field): void {
  const present = Object.hasOwn(object, name)
  if (present && !(object[name] === null && !field.schema.nullable)) return
  Object.defineProperty(object, name, {
    value: copyJson(field.default),
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

/** What completing an object has to look for, apart from the fields that the object has: a pod leaves most out. */
interface Outline {
  readonly withDefault: readonly (readonly [name: string, field: Field])[]
  readonly alwaysWritten: readonly (readonly [name: string, field: Field])[]
  /** Whether anything at or below this node has a default. */
  readonly hasDefaults: boolean
  /** The same of fields that are always written. */
  readonly hasAlwaysWritten: boolean
}

const outlines = new WeakMap<Schema, Outline>()

function outlineOf(schema: Schema): Outline {
  const known = outlines.get(schema)
  if (known) return known
  const fields = [...schema.fields]
  const outline = {
    withDefault: fields.filter(([, field]) => field.default !== undefined),
    alwaysWritten: fields.filter(([, field]) => alwaysWritten(field) !== undefined),
    hasDefaults: isBelow(schema, (field) => field.default !== undefined),
    hasAlwaysWritten: isBelow(schema, (field) => alwaysWritten(field) !== undefined),
  }
  outlines.set(schema, outline)
  return outline
}

/** Cycles are walked once. */
function isBelow(schema: Schema, isWanted: (field: Field) => boolean): boolean {
  const reached = new Set([schema])
  for (const node of reached) {
    for (const field of node.fields.values()) {
      if (isWanted(field)) return true
      reached.add(field.schema)
    }
    if (node.values) reached.add(node.values)
    if (node.items) reached.add(node.items)
  }
  return false
}

/** Whether anything below has a default; remembered, so that most kinds cost nothing. */
export const hasDefaults = (schema: Schema): boolean => outlineOf(schema).hasDefaults

/**
 * Adds what Go's encoder always writes for a built-in kind, in place: struct fields that are no pointers as `{}`
 * (`status: {}`, `resources: {}`) and the zero of scalars without omitempty. Clients written against upstream take
 * these for granted. Lists that Go would write as null are left out: every client reads both alike.
 */
export function completeStructs(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const element of value) completeStructs(element, schema.items)
    return
  }
  if (typeof value !== 'object' || value === null || schema.rules || !outlineOf(schema).hasAlwaysWritten) return
  const object = value as Json
  if (schema.values) {
    for (const key of Object.keys(object)) completeStructs(object[key], schema.values)
    return
  }
  for (const [name, field] of outlineOf(schema).alwaysWritten)
    if (!Object.hasOwn(object, name)) object[name] = alwaysWritten(field)
  for (const name of Object.keys(object)) {
    const field = schema.fields.get(name)
    if (field) completeStructs(object[name], field.schema)
  }
}

/** The zero that Go writes for an absent field, or undefined when it writes nothing. */
export function alwaysWritten(field: Field): unknown {
  const { schema, pointer, always } = field
  if (pointer || schema.rules) return undefined
  if (schema.type === 'object' && schema.name !== undefined && !schema.preserveUnknown && field.proto !== undefined)
    return {}
  if (!always) return undefined
  if (schema.type === 'string' && schema.format === undefined) return ''
  if (schema.type === 'boolean') return false
  return schema.type === 'integer' ? 0 : undefined
}
