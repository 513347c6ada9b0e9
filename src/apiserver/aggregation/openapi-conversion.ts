type Json = Record<string, unknown>

/** The parts of an OpenAPI v2 document that are looked at. */
export interface OpenApiV2 {
  readonly paths?: Readonly<Record<string, Json>>
  readonly definitions?: Readonly<Record<string, Json>>
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']

/** An OpenAPI v3 document of what lies below `prefix` in a v2 document: for servers from before v1.24. Pure. */
export function openApiV3From(document: OpenApiV2, prefix: string): Json {
  const paths = Object.entries(pathsBelow(document, prefix)).map(([path, item]) => [path, convertItem(item)])
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'unversioned' },
    paths: Object.fromEntries(paths),
    components: { schemas: withReferences(document.definitions ?? {}) },
  }
}

/**
 * `local` with the paths and definitions that `remote` has below `prefix`. A definition that both have stays ours:
 * names are made of Go packages, and an older server's ObjectMeta must not replace the one that all kinds share.
 */
export function mergeOpenApiV2(local: OpenApiV2, remote: OpenApiV2, prefix: string): OpenApiV2 {
  return {
    ...local,
    paths: { ...local.paths, ...pathsBelow(remote, prefix) },
    definitions: { ...remote.definitions, ...local.definitions },
  }
}

function pathsBelow({ paths = {} }: OpenApiV2, prefix: string): Record<string, Json> {
  return Object.fromEntries(Object.entries(paths).filter(([path]) => path === prefix || path.startsWith(`${prefix}/`)))
}

function convertItem(item: Json): Json {
  const entries = Object.entries(item).map(([key, value]) => {
    if (key === 'parameters') return [key, parametersOf(value)]
    return [key, methods.includes(key) ? convertOperation(value as Json) : value]
  })
  return Object.fromEntries(entries)
}

function convertOperation(operation: Json): Json {
  const { consumes, produces, schemes: _schemes, parameters, responses, ...rest } = operation
  const all = Array.isArray(parameters) ? (parameters as Json[]) : []
  const body = all.find((one) => one['in'] === 'body')
  const content = (types: unknown, schema: unknown) =>
    Object.fromEntries(
      (Array.isArray(types) && types.length > 0 ? (types as string[]) : ['*/*']).map((type) => [
        type,
        { schema: withReferences(schema) },
      ]),
    )
  const answers = Object.entries((responses ?? {}) as Record<string, Json>).map(([code, { schema, ...answer }]) => [
    code,
    schema ? { ...answer, content: content(produces, schema) } : answer,
  ])
  return {
    ...rest,
    parameters: parametersOf(all.filter((one) => one !== body)),
    ...(body ? { requestBody: { content: content(consumes, body['schema']) } } : {}),
    responses: Object.fromEntries(answers),
  }
}

/** What v2 says beside a parameter, v3 says in its schema. */
function parametersOf(parameters: unknown): Json[] {
  return (Array.isArray(parameters) ? (parameters as Json[]) : [])
    .filter((one) => one['in'] !== 'body')
    .map(({ type, format, items, uniqueItems, ...rest }) => ({
      ...rest,
      schema: {
        type,
        ...(format ? { format } : {}),
        ...(items ? { items } : {}),
        ...(uniqueItems ? { uniqueItems } : {}),
      },
    }))
}

function withReferences(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withReferences)
  if (typeof node !== 'object' || node === null) return node
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? value.replace('#/definitions/', '#/components/schemas/')
        : withReferences(value),
    ]),
  )
}
