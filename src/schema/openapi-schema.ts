import { definitionDescription, fieldDescription } from './descriptions.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

/** The two OpenAPI versions that are published; they differ in references and in unions of types. */
export type Dialect = 'v2' | 'v3'

const refPrefix: Readonly<Record<Dialect, string>> = { v2: '#/definitions/', v3: '#/components/schemas/' }

export function reference(name: string, dialect: Dialect): Json {
  return { $ref: refPrefix[dialect] + name }
}

/** The published definition of a built-in kind, with the extensions from which clients learn how lists merge. */
export function definitionOf(schema: Schema, dialect: Dialect): Json {
  const description = definitionDescription(schema.name)
  return { ...(description ? { description } : {}), ...bodyOf(schema, dialect), ...kindsOf(schema) }
}

function kindsOf(schema: Schema): Json {
  if (!schema.kinds || schema.kinds.length === 0) return {}
  return { 'x-kubernetes-group-version-kind': schema.kinds.map(([group, version, kind]) => ({ group, version, kind })) }
}

/** Types whose JSON may be of two kinds; v2 cannot say so and calls them strings. */
function specialBody(schema: Schema, dialect: Dialect): Json | undefined {
  if (schema.format === 'quantity') {
    return dialect === 'v2' ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] }
  }
  if (schema.type === 'int-or-string') {
    const format = { format: 'int-or-string' }
    return dialect === 'v2'
      ? { type: 'string', ...format }
      : { oneOf: [{ type: 'integer' }, { type: 'string' }], ...format }
  }
  if (schema.format === 'date-time' || schema.format === 'micro-time') return { type: 'string', format: 'date-time' }
  if (schema.type === 'any') return {}
  return schema.format === 'raw' ? { type: 'object' } : undefined
}

function bodyOf(schema: Schema, dialect: Dialect): Json {
  const special = specialBody(schema, dialect)
  if (special) return special
  if (schema.type === 'array') return { type: 'array', items: inlineOrReference(schema.items!, dialect) }
  if (schema.values) return { type: 'object', additionalProperties: inlineOrReference(schema.values, dialect) }
  if (schema.type !== 'object') return { type: schema.type, ...(schema.format ? { format: schema.format } : {}) }
  const isKind = (schema.kinds?.length ?? 0) > 0
  const properties = Object.fromEntries(
    [...schema.fields].map(([name, field]) => [
      name,
      propertyOf(field, dialect, fieldDescription(schema.name, isKind, name)),
    ]),
  )
  return {
    type: 'object',
    ...(schema.fields.size > 0 ? { properties } : {}),
    ...(schema.required && schema.required.length > 0 ? { required: schema.required } : {}),
    ...(schema.mapType ? { 'x-kubernetes-map-type': schema.mapType } : {}),
    ...(schema.unions ? { 'x-kubernetes-unions': schema.unions } : {}),
  }
}

function inlineOrReference(schema: Schema, dialect: Dialect): Json {
  return schema.name ? reference(schema.name, dialect) : bodyOf(schema, dialect)
}

/** In v3 a reference may have no siblings, so it moves into `allOf` when there is more to say. */
function propertyOf(field: Field, dialect: Dialect, description: string | undefined): Json {
  const { schema } = field
  const extra: Json = {
    ...(description ? { description } : {}),
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(schema.listType ? { 'x-kubernetes-list-type': schema.listType } : {}),
    ...(schema.listMapKeys.length > 0 ? { 'x-kubernetes-list-map-keys': schema.listMapKeys } : {}),
    ...(field.mapType ? { 'x-kubernetes-map-type': field.mapType } : {}),
    ...(field.patchMergeKey ? { 'x-kubernetes-patch-merge-key': field.patchMergeKey } : {}),
    ...(field.patchStrategy.length > 0 ? { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') } : {}),
    ...(field.enum && schema.type === 'string' && dialect === 'v3' ? { enum: field.enum } : {}),
  }
  const base = inlineOrReference(schema, dialect)
  if (!schema.name || dialect === 'v2' || Object.keys(extra).length === 0) return { ...base, ...extra }
  return { allOf: [base], ...extra }
}

/**
 * The definition of a custom resource: its openAPIV3Schema with the fields that every object has. v2 loses what it
 * cannot express.
 */
export function customDefinition(schema: Schema, gvk: Json, dialect: Dialect): Json {
  const source = schema.rules?.source ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const kinds = { 'x-kubernetes-group-version-kind': [gvk] }
  // kubectl of v2 complains of fields that are not listed as soon as one is, apiVersion and metadata included.
  if (dialect === 'v2' && preserves(source)) return { type: 'object', ...kinds }
  const body = dialect === 'v2' ? forV2(source) : source
  const properties = {
    ...(body['properties'] as Json | undefined),
    apiVersion: described({ type: 'string' }, 'apiVersion'),
    kind: described({ type: 'string' }, 'kind'),
    metadata: described(propertyReference('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta', dialect), 'metadata'),
  }
  return { ...body, type: 'object', properties, ...kinds }
}

/** The definition of a list kind of a custom resource. */
export function customListDefinition(itemName: string, gvk: Json, dialect: Dialect): Json {
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: described({ type: 'string' }, 'apiVersion'),
      kind: described({ type: 'string' }, 'kind'),
      metadata: propertyReference('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', dialect),
      items: { type: 'array', items: reference(itemName, dialect) },
    },
    'x-kubernetes-group-version-kind': [gvk],
  }
}

const described = (property: Json, field: string): Json => ({
  description: fieldDescription(undefined, true, field),
  ...property,
})

function propertyReference(name: string, dialect: Dialect): Json {
  return dialect === 'v2' ? reference(name, dialect) : { allOf: [reference(name, dialect)] }
}

const unknownToV2 = new Set(['allOf', 'oneOf', 'anyOf', 'not', 'nullable'])

const preserves = (node: Json): boolean => node['x-kubernetes-preserve-unknown-fields'] === true
const isNullable = (node: unknown): boolean => (node as Json | undefined)?.['nullable'] === true

/** What v2 cannot say is left unsaid, so that kubectl refuses nothing that the server takes; so upstream does too. */
function forV2(node: unknown): Json {
  const result: Json = {}
  const source = node as Json
  const properties = source['properties'] as Json | undefined
  const open = isNullable(source) || preserves(source)
  for (const [key, value] of Object.entries(source)) {
    if (unknownToV2.has(key) || (key === 'type' && isNullable(source))) continue
    if (open && ['properties', 'items', 'additionalProperties'].includes(key)) continue
    if (key === 'properties' && properties) {
      result[key] = Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, forV2(child)]))
    } else if (typeof value === 'object' && value !== null && (key === 'items' || key === 'additionalProperties')) {
      result[key] = forV2(value)
    } else if (key === 'required') {
      const required = (value as string[]).filter((name) => !isNullable(properties?.[name]))
      if (required.length > 0) result[key] = required
    } else result[key] = value
  }
  return result
}

/** Names of the definitions that a schema reaches, itself included. */
export function reachableNames(schema: Schema, into: Map<string, Schema>): void {
  if (schema.name) {
    if (into.has(schema.name)) return
    into.set(schema.name, schema)
  }
  for (const { schema: child } of schema.fields.values()) reachableNames(child, into)
  if (schema.items) reachableNames(schema.items, into)
  if (schema.values) reachableNames(schema.values, into)
}
