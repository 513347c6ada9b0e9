import type { SchemaGraph } from './graph.ts'
import { resourcePaths } from './openapi-paths.ts'
import { customDefinition, customListDefinition, definitionOf, type Dialect, reachableNames } from './openapi-schema.ts'
import type { Schema } from './schema.ts'

type Json = Record<string, unknown>

/** What OpenAPI must know of one served version of a resource. Fits a ResourceDefinition with its schema looked up. */
export interface OpenApiResource {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly listKind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  /** Of the kind; a custom resource's has no place in the graph. */
  readonly schema: Schema
  readonly subresources: readonly OpenApiSubresource[]
}

export interface OpenApiSubresource {
  readonly name: string
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly verbs: readonly string[]
}

const metaNames = ['DeleteOptions', 'ListMeta', 'ObjectMeta', 'Patch', 'Status', 'WatchEvent']
const info = { title: 'Kubernetes', version: 'v1.36.0' }
const bearer = { type: 'apiKey', name: 'authorization', in: 'header', description: 'Bearer Token authentication' }

/**
 * The OpenAPI v3 document of one group and version. Pure and in a fixed order: equal input gives equal bytes on every
 * node, so that the hash in its URL is the same everywhere.
 */
export function openApiV3Document(resources: readonly OpenApiResource[], graph: SchemaGraph): Json {
  const { definitions, paths } = collect(resources, graph, 'v3')
  return {
    openapi: '3.0.0',
    info,
    paths,
    components: { schemas: definitions, securitySchemes: { BearerToken: bearer } },
    security: [{ BearerToken: [] }],
  }
}

/** The OpenAPI v2 document of everything that is served. */
export function openApiV2Document(resources: readonly OpenApiResource[], graph: SchemaGraph): Json {
  const { definitions, paths } = collect(resources, graph, 'v2')
  return {
    swagger: '2.0',
    info,
    paths,
    definitions,
    securityDefinitions: { BearerToken: bearer },
    security: [{ BearerToken: [] }],
  }
}

/** Path of a group and version in the v3 index: `api/v1`, `apis/apps/v1`. */
export function groupVersionPath({ group, version }: { group: string; version: string }): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

function collect(
  resources: readonly OpenApiResource[],
  graph: SchemaGraph,
  dialect: Dialect,
): { definitions: Json; paths: Json } {
  const reached = new Map<string, Schema>()
  const definitions: Json = {}
  const paths: Json = {}
  const reach = (name: string) => {
    const schema = graph.get(name)
    if (schema) reachableNames(schema, reached)
  }
  for (const name of metaNames) reach(`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`)
  for (const resource of resources.toSorted(byName)) {
    const names = definitionNames(resource, graph)
    if (names.custom) addCustom(definitions, resource, names, dialect)
    else {
      reach(names.kind)
      reach(names.list)
    }
    for (const name of names.subresources.values()) reach(name)
    Object.assign(paths, resourcePaths(resource, names, dialect))
  }
  for (const [name, schema] of reached) definitions[name] = definitionOf(schema, dialect)
  return { definitions: sortedByKey(definitions), paths: sortedByKey(paths) }
}

interface DefinitionNames {
  kind: string
  list: string
  custom: boolean
  /** Body kinds of subresources that are not the resource's own kind (Scale, Eviction), by subresource. */
  subresources: ReadonlyMap<string, string>
}

function definitionNames(resource: OpenApiResource, graph: SchemaGraph): DefinitionNames {
  const foreign = resource.subresources.flatMap(({ name, group, version, kind }) => {
    const own = group === resource.group && version === resource.version && kind === resource.kind
    const known = own ? undefined : graph.byKind(group, version, kind)?.name
    return known ? [[name, known] as const] : []
  })
  const subresources = new Map(foreign)
  const known = resource.schema.name
  if (known !== undefined && graph.get(known)) return { kind: known, list: `${known}List`, custom: false, subresources }
  const kind = [...resource.group.split('.').toReversed(), resource.version, resource.kind].join('.')
  return { kind, list: `${kind}List`, custom: true, subresources }
}

function addCustom(
  definitions: Json,
  resource: OpenApiResource,
  names: { kind: string; list: string },
  dialect: Dialect,
): void {
  const { group, version, kind, listKind } = resource
  definitions[names.kind] = customDefinition(resource.schema, { group, version, kind }, dialect)
  definitions[names.list] = customListDefinition(names.kind, { group, version, kind: listKind }, dialect)
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function byName(a: OpenApiResource, b: OpenApiResource): number {
  return order(a.group, b.group) || order(a.version, b.version) || order(a.resource, b.resource)
}

function sortedByKey(object: Json): Json {
  return Object.fromEntries(Object.entries(object).toSorted(([a], [b]) => order(a, b)))
}
