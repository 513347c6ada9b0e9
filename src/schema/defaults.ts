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
  for (const [name, field] of schema.fields) {
    if (field.default !== undefined) setDefault(object, name, field)
    if (Object.hasOwn(object, name)) applySchemaDefaults(object[name], field.schema)
  }
  if (schema.values) for (const key of Object.keys(object)) applySchemaDefaults(object[key], schema.values)
}

function setDefault(object: Json, name: string, field: Field): void {
  const present = Object.hasOwn(object, name)
  if (present && !(object[name] === null && !field.schema.nullable)) return
  Object.defineProperty(object, name, {
    value: structuredClone(field.default),
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

const defaulting = new WeakMap<Schema, boolean>()

/** Whether anything below has a default; remembered, so that most kinds cost nothing. Cycles are walked once. */
export function hasDefaults(schema: Schema): boolean {
  const known = defaulting.get(schema)
  if (known !== undefined) return known
  const reached = new Set([schema])
  let found = false
  for (const node of reached) {
    for (const field of node.fields.values()) {
      if (field.default !== undefined) found = true
      reached.add(field.schema)
    }
    if (node.values) reached.add(node.values)
    if (node.items) reached.add(node.items)
  }
  defaulting.set(schema, found)
  return found
}

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
  if (typeof value !== 'object' || value === null || schema.rules) return
  const object = value as Json
  if (schema.values) {
    for (const key of Object.keys(object)) completeStructs(object[key], schema.values)
    return
  }
  for (const [name, field] of schema.fields) {
    if (!Object.hasOwn(object, name)) {
      const zero = alwaysWritten(field)
      if (zero === undefined) continue
      object[name] = zero
    }
    completeStructs(object[name], field.schema)
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
