import { leaf } from './graph.ts'
import { isJsonObject } from './merge-patch.ts'
import type { Field, Schema, ValidationRule, ValueRules } from './schema.ts'

type Json = Record<string, unknown>

/** Deepest nesting of a CRD's schema that is read; deeper nodes accept anything. */
const maxSchemaDepth = 200

/**
 * The schema of a custom resource from its `openAPIV3Schema` (structural, as the CRD's validation has checked).
 * @param metadata schema of ObjectMeta, which every object has whatever the CRD says of `metadata`
 */
export function schemaFromOpenApi(openApi: unknown, metadata: Schema): Schema {
  const root = nodeOf(openApi, 0)
  const fields = new Map(root.fields)
  fields.set('apiVersion', plainField(nodeOf({ type: 'string' }, 0)))
  fields.set('kind', plainField(nodeOf({ type: 'string' }, 0)))
  fields.set('metadata', plainField(metadata))
  return withEmbedded({ ...root, type: 'object', fields }, metadata)
}

function plainField(schema: Schema, facts: Partial<Field> = {}): Field {
  return {
    schema,
    required: false,
    default: undefined,
    patchStrategy: [],
    patchMergeKey: undefined,
    enum: undefined,
    proto: undefined,
    ...facts,
  }
}

function nodeOf(openApi: unknown, depth: number): Schema {
  const source: Json = isJsonObject(openApi) && depth <= maxSchemaDepth ? openApi : preserving
  const intOrString = source['x-kubernetes-int-or-string'] === true
  const properties = isJsonObject(source['properties']) ? source['properties'] : {}
  const required = strings(source['required'])
  const additional = source['additionalProperties']
  const fields = Object.entries(properties).map(([name, child]) => {
    const facts = { required: required.includes(name), default: isJsonObject(child) ? child['default'] : undefined }
    return [name, plainField(nodeOf(child, depth + 1), facts)] as const
  })
  return {
    ...leaf(intOrString ? 'int-or-string' : typeOf(source['type'])),
    format: text(source['format']),
    fields: new Map(fields),
    values: isJsonObject(additional)
      ? nodeOf(additional, depth + 1)
      : additional === true
        ? nodeOf(preserving, depth)
        : undefined,
    items: isJsonObject(source['items']) ? nodeOf(source['items'], depth + 1) : undefined,
    listType: oneOf(source['x-kubernetes-list-type'], ['atomic', 'set', 'map'] as const),
    listMapKeys: strings(source['x-kubernetes-list-map-keys']),
    mapType: oneOf(source['x-kubernetes-map-type'], ['atomic', 'granular'] as const),
    nullable: source['nullable'] === true,
    preserveUnknown: source['x-kubernetes-preserve-unknown-fields'] === true,
    required,
    rules: rulesOf(source, depth),
  }
}

const preserving: Json = { 'x-kubernetes-preserve-unknown-fields': true }

function rulesOf(source: Json, depth: number): ValueRules {
  const junctors = (key: string): Schema[] =>
    Array.isArray(source[key]) ? (source[key] as unknown[]).map((one) => nodeOf(one, depth + 1)) : []
  return {
    type: text(source['type']),
    format: text(source['format']),
    enum: Array.isArray(source['enum']) ? (source['enum'] as unknown[]) : undefined,
    required: strings(source['required']),
    minimum: number(source['minimum']),
    maximum: number(source['maximum']),
    exclusiveMinimum: source['exclusiveMinimum'] === true,
    exclusiveMaximum: source['exclusiveMaximum'] === true,
    multipleOf: number(source['multipleOf']),
    minLength: number(source['minLength']),
    maxLength: number(source['maxLength']),
    pattern: text(source['pattern']),
    minItems: number(source['minItems']),
    maxItems: number(source['maxItems']),
    uniqueItems: source['uniqueItems'] === true,
    minProperties: number(source['minProperties']),
    maxProperties: number(source['maxProperties']),
    allOf: junctors('allOf'),
    anyOf: junctors('anyOf'),
    oneOf: junctors('oneOf'),
    not: isJsonObject(source['not']) ? nodeOf(source['not'], depth + 1) : undefined,
    embeddedResource: source['x-kubernetes-embedded-resource'] === true,
    validations: Array.isArray(source['x-kubernetes-validations'])
      ? (source['x-kubernetes-validations'] as ValidationRule[])
      : [],
    source,
  }
}

/** An embedded resource has apiVersion, kind and metadata even where its schema does not name them. */
function withEmbedded(schema: Schema, metadata: Schema): Schema {
  const fields = new Map(
    [...schema.fields].map(([name, field]) => [name, { ...field, schema: below(field.schema, metadata) }] as const),
  )
  return {
    ...schema,
    fields,
    values: schema.values && below(schema.values, metadata),
    items: schema.items && below(schema.items, metadata),
  }
}

function below(schema: Schema, metadata: Schema): Schema {
  if (!schema.rules) return schema
  const inner = withEmbedded(schema, metadata)
  if (!schema.rules.embeddedResource) return inner
  const fields = new Map(inner.fields)
  const textField = plainField(nodeOf({ type: 'string' }, 0))
  if (!fields.has('apiVersion')) fields.set('apiVersion', textField)
  if (!fields.has('kind')) fields.set('kind', textField)
  fields.set('metadata', plainField(metadata))
  return { ...inner, fields }
}

function typeOf(type: unknown): Schema['type'] {
  return oneOf(type, ['object', 'array', 'string', 'integer', 'number', 'boolean'] as const) ?? 'any'
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((one) => one === value)
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
