import { UsageError } from '../command.ts'

/** OpenAPI v3, as far as fields are explained from it. */
export interface OpenApiSchema {
  description?: string
  type?: string
  format?: string
  $ref?: string
  allOf?: OpenApiSchema[]
  items?: OpenApiSchema
  properties?: Record<string, OpenApiSchema>
  additionalProperties?: OpenApiSchema | boolean
  required?: string[]
  enum?: unknown[]
  oneOf?: OpenApiSchema[]
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
}

export interface OpenApiDocument {
  components?: { schemas?: Record<string, OpenApiSchema> }
}

/** Deeper nesting is cut: JSONSchemaProps and the like contain themselves. */
const maxDepth = 12

/** The text of `explain`, laid out as kubectl lays it out. Throws UsageError for a field that is not there. */
export function explainSchema(
  document: OpenApiDocument,
  { group, version, kind }: { group: string; version: string; kind: string },
  fields: readonly string[],
  recursive: boolean,
): string {
  const schemas = document.components?.schemas ?? {}
  const root = Object.values(schemas).find((one) =>
    one['x-kubernetes-group-version-kind']?.some(
      (gvk) => gvk.group === group && gvk.version === version && gvk.kind === kind,
    ),
  )
  if (!root) throw new UsageError(`couldn't find resource for "${group}/${version}, Kind=${kind}"`)
  let schema = root
  let field: OpenApiSchema = root
  for (const name of fields) {
    const next: OpenApiSchema | undefined = itemSchema(schemas, schema).properties?.[name]
    if (!next) throw new UsageError(`field "${name}" does not exist`)
    field = next
    schema = resolve(schemas, next)
  }
  const head = [...(group ? [`GROUP:      ${group}`] : []), `KIND:       ${kind}`, `VERSION:    ${version}`, '']
  const inner = itemSchema(schemas, schema)
  const isField = fields.length > 0
  const title = isField
    ? [`FIELD: ${fields.at(-1)} <${typeName(schemas, field)}>`, ...(field.enum?.length ? enumLines(field) : ['']), '']
    : []
  const description = wrap(field.description ?? inner.description ?? '', 4)
  const body = inner.properties ? ['FIELDS:', ...fieldLines(schemas, inner, recursive, 1, new Set())] : []
  return [
    ...head,
    ...title,
    'DESCRIPTION:',
    ...(description.length > 0 ? description : ['    <empty>']),
    ...body,
    '',
    '',
  ].join('\n')
}

/** Below a field's title all values that it may have. */
const enumLines = ({ enum: values = [] }: OpenApiSchema): string[] =>
  values.length > 0 ? ['ENUM:', ...values.map((value) => `    ${value}`)] : []

/** In a list of fields so many values stand whole; of more the first four and dots. */
const maxShownValues = 4

function shortEnum({ enum: values = [] }: OpenApiSchema, margin: string): string[] {
  if (values.length === 0) return []
  const shown = values.map((value) => (value === '' ? '""' : String(value)))
  const text = shown.length > maxShownValues ? `${shown.slice(0, maxShownValues).join(', ')}, ....` : shown.join(', ')
  return [`${margin}enum: ${text}`]
}

type Schemas = Readonly<Record<string, OpenApiSchema>>

const nameOfRef = (ref: string): string => ref.split('/').at(-1) ?? ref

function refOf(schema: OpenApiSchema): string | undefined {
  const ref = schema.$ref ?? schema.allOf?.find((one) => one.$ref)?.$ref
  return ref === undefined ? undefined : nameOfRef(ref)
}

function resolve(schemas: Schemas, schema: OpenApiSchema): OpenApiSchema {
  const ref = refOf(schema)
  return ref === undefined ? schema : (schemas[ref] ?? schema)
}

/** What a list's items or a map's values are; other schemas are themselves. */
function itemSchema(schemas: Schemas, schema: OpenApiSchema): OpenApiSchema {
  const own = resolve(schemas, schema)
  if (own.properties) return own
  if (own.items) return itemSchema(schemas, own.items)
  if (typeof own.additionalProperties === 'object') return itemSchema(schemas, own.additionalProperties)
  return own
}

function typeName(schemas: Schemas, schema: OpenApiSchema): string {
  const ref = refOf(schema)
  if (ref !== undefined) {
    const { properties, type } = schemas[ref] ?? {}
    const short = ref.split('.').at(-1) ?? ref
    return properties || type === undefined || type === 'object' ? short : short === 'Time' ? 'string' : type
  }
  if (schema.type === 'array') return `[]${typeName(schemas, schema.items ?? {})}`
  if (typeof schema.additionalProperties === 'object')
    return `map[string]${typeName(schemas, schema.additionalProperties)}`
  const type = schema.type === 'object' ? 'Object' : schema.type
  return type ?? (schema.oneOf ? 'IntOrString' : 'Object')
}

function fieldLines(
  schemas: Schemas,
  schema: OpenApiSchema,
  recursive: boolean,
  level: number,
  within: ReadonlySet<OpenApiSchema>,
): string[] {
  const required = new Set(schema.required)
  return Object.entries(schema.properties ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, field]) => {
      const margin = '  '.repeat(level)
      const line = `${margin}${name}\t<${typeName(schemas, field)}>${required.has(name) ? ' -required-' : ''}`
      if (!recursive) {
        const description = wrap(field.description ?? resolve(schemas, field).description ?? '', 4)
        return [
          line,
          ...shortEnum(field, margin),
          ...(description.length > 0 ? description : ['    <no description>']),
          '',
        ]
      }
      const inner = itemSchema(schemas, field)
      const isNested = inner.properties !== undefined && !within.has(inner) && level < maxDepth
      return [
        line,
        ...shortEnum(field, margin),
        ...(isNested ? fieldLines(schemas, inner, true, level + 1, new Set([...within, inner])) : []),
      ]
    })
}

/** Words in lines of at most 80 columns, each after `margin` blanks. */
function wrap(text: string, margin: number): string[] {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) {
    let line = ''
    for (const word of paragraph.split(/\s+/).filter(Boolean)) {
      if (line !== '' && margin + line.length + 1 + word.length > 80) {
        lines.push(' '.repeat(margin) + line)
        line = word
      } else line = line === '' ? word : `${line} ${word}`
    }
    if (line !== '') lines.push(' '.repeat(margin) + line)
  }
  return lines
}
