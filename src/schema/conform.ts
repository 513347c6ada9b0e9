import { errors } from '../api/status-error.ts'
import { goType, structName } from './go-type.ts'
import { kindOf, readScalar } from './scalar-form.ts'
import type { Schema } from './schema.ts'

type Json = Record<string, unknown>

/** Most strict errors that are gathered for one body; the rest would only fill the answer. */
const maxStrictErrors = 100

interface Walk {
  /** Keys and indices from the root to the value at hand. */
  path: (string | number)[]
  strictErrors: string[]
  root: Schema
  subject: string
}

/**
 * Makes a freshly parsed `value` what its schema says, in place: unknown fields are removed and named in the result
 * (`unknown field "spec.foo"`), nulls of built-in kinds are dropped (absent, as Go decodes them), quantities, times and
 * base64 take their canonical form. Field names are case-sensitive.
 * @returns the strict errors
 * @throws StatusError BadRequest in the words of Go's decoder when a value has the wrong type. CRD nodes are only
 *   pruned: their types are checked by `validateValue`.
 */
export function conform(value: unknown, schema: Schema): string[] {
  const walk: Walk = { path: [], strictErrors: [], root: schema, subject: subjectOf(value, schema) }
  if (schema.rules) pruneStructural(value, schema, walk)
  else conformTyped(value, schema, undefined, walk)
  return walk.strictErrors
}

function subjectOf(value: unknown, schema: Schema): string {
  const body = typeof value === 'object' && value !== null ? (value as Json) : {}
  const known = schema.kinds?.[0]
  const kind =
    typeof body['kind'] === 'string' && body['kind'] !== '' ? body['kind'] : (known?.[2] ?? structName(schema))
  const apiVersion = typeof body['apiVersion'] === 'string' ? body['apiVersion'] : (known?.[1] ?? '')
  return `${kind} in version "${apiVersion.slice(apiVersion.indexOf('/') + 1)}" cannot be handled as a ${kind}`
}

/** @returns the value to keep; the same one for objects and lists, which are changed in place. */
function conformTyped(value: unknown, schema: Schema, owner: Schema | undefined, walk: Walk): unknown {
  switch (schema.type) {
    case 'any':
      return schema.objectForm ? conformForms(value, schema.objectForm, walk) : value
    case 'object':
      if (!isObject(value)) throw mismatch(kindOf(value), schema, owner, walk)
      if (schema.values) conformMap(value, schema.values, owner, walk)
      else if (!schema.preserveUnknown) conformStruct(value, schema, walk)
      return value
    case 'array':
      if (!Array.isArray(value)) throw mismatch(kindOf(value), schema, owner, walk)
      conformList(value, schema.items!, owner, walk)
      return value
    default: {
      const read = readScalar(value, schema)
      if ('value' in read) return read.value
      throw 'error' in read ? unreadable(read.error, walk) : mismatch(read.mismatch, schema, owner, walk)
    }
  }
}

function conformStruct(value: Json, schema: Schema, walk: Walk): void {
  const { path } = walk
  for (const key of Object.keys(value)) {
    const field = schema.fields.get(key)
    path.push(key)
    const member = value[key]
    if (!field) {
      strict(`unknown field "${pathText(path)}"`, walk)
      delete value[key]
    } else if (member === null) delete value[key]
    else if (field.schema.rules) pruneStructural(member, field.schema, walk)
    else {
      const kept = conformTyped(member, field.schema, schema, walk)
      if (kept !== member) value[key] = kept
    }
    path.pop()
  }
}

function conformMap(value: Json, values: Schema, owner: Schema | undefined, walk: Walk): void {
  for (const key of Object.keys(value)) {
    walk.path.push(key)
    const member = value[key]
    const kept = member === null ? zeroOf(values) : conformTyped(member, values, owner, walk)
    // Assignment to `__proto__` would set the prototype; JSON.parse made it a plain member, and so it stays.
    if (kept !== member)
      Object.defineProperty(value, key, { value: kept, writable: true, enumerable: true, configurable: true })
    walk.path.pop()
  }
}

function conformList(value: unknown[], items: Schema, owner: Schema | undefined, walk: Walk): void {
  for (const [index, element] of value.entries()) {
    walk.path.push(index)
    const kept = element === null ? zeroOf(items) : conformTyped(element, items, owner, walk)
    if (kept !== element) value[index] = kept
    walk.path.pop()
  }
}

function conformForms(value: unknown, objectForm: Schema, walk: Walk): unknown {
  if (Array.isArray(value)) for (const element of value) conformForms(element, objectForm, walk)
  else if (isObject(value)) conformStruct(value, objectForm, walk)
  return value
}

/** What Go leaves in a list or map for a null of this type. */
function zeroOf(schema: Schema): unknown {
  if (schema.type === 'any') return null
  if (schema.type === 'object') return {}
  if (schema.type === 'array') return []
  if (schema.type === 'boolean') return false
  if (schema.type === 'integer' || schema.type === 'number' || schema.type === 'int-or-string') return 0
  return schema.format === 'quantity' ? '0' : ''
}

/** Removes what a structural schema does not declare, down to subtrees that preserve unknown fields. */
function pruneStructural(value: unknown, schema: Schema, walk: Walk): void {
  if (Array.isArray(value)) {
    if (!schema.items) return
    for (const [index, element] of value.entries()) {
      walk.path.push(index)
      pruneStructural(element, schema.items, walk)
      walk.path.pop()
    }
    return
  }
  if (!isObject(value)) return
  for (const key of Object.keys(value)) {
    const field = schema.fields.get(key)
    const child = field?.schema ?? schema.values
    const member = value[key]
    walk.path.push(key)
    if (!child) {
      if (!schema.preserveUnknown) {
        strict(`unknown field "${pathText(walk.path)}"`, walk)
        delete value[key]
      }
    } else if (child.rules) pruneStructural(member, child, walk)
    else if (member === null) delete value[key]
    else conformTyped(member, child, schema, walk)
    walk.path.pop()
  }
}

function strict(message: string, walk: Walk): void {
  if (walk.strictErrors.length < maxStrictErrors) walk.strictErrors.push(message)
}

function mismatch(kind: string, schema: Schema, owner: Schema | undefined, walk: Walk): Error {
  const field = owner && walk.path.length > 0 ? `struct field ${structName(owner)}.${goPath(walk)}` : undefined
  const target = field ? `${field} of type ${goType(schema)}` : `value of type ${goType(schema)}`
  return unreadable(`json: cannot unmarshal ${kind} into Go ${target}`, walk)
}

function unreadable(message: string, walk: Walk): Error {
  return errors.badRequest(`${walk.subject}: ${message}`)
}

/** Go names struct fields only: no indices, and no map keys (which it does not tell from the map itself). */
function goPath({ path, root }: Walk): string {
  const names: string[] = []
  let node: Schema | undefined = root
  for (const part of path) {
    const field: Schema | undefined = typeof part === 'string' ? node?.fields.get(part)?.schema : undefined
    if (field) names.push(String(part))
    node = field ?? node?.items ?? node?.values ?? node?.objectForm
  }
  return names.join('.')
}

/** `spec.containers[0].image` */
export function pathText(path: readonly (string | number)[]): string {
  let text = ''
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`
  return text
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
