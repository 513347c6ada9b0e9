import { createHash } from 'node:crypto'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import { schemaOf } from '../registry/type-system.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import type { OpenApiResource } from '../schema/openapi.ts'
import { createOpenApiPublisher, type OpenApiSnapshot } from '../schema/openapi-publisher.ts'

/** OpenAPI of everything that is in the catalogue now: CRDs appear and vanish with it. */
export function catalogueOpenApi(catalogue: Catalogue, graph: SchemaGraph): () => OpenApiSnapshot {
  const publisher = createOpenApiPublisher(graph, documentHash)
  const describe = (definition: ResourceDefinition): OpenApiResource => ({
    ...definition,
    schema: schemaOf(graph, definition),
    subresources: definition.subresources.map((sub) => {
      const schemaName = graph.byKind(sub.group, sub.version, sub.kind)?.name
      return schemaName === undefined || sub.kind === definition.kind ? sub : { ...sub, schemaName }
    }),
  })
  const served = () =>
    catalogue
      .groups()
      .flatMap(({ group, versions }) => versions.flatMap((version) => catalogue.resources(group, version)))
  return () => publisher.snapshot(catalogue.revision(), () => served().map(describe))
}

/** Of a document's text: its ETag, and its `?hash=`. */
export const documentHash = (text: string): string =>
  createHash('sha512').update(text).digest('hex').slice(0, 64).toUpperCase()
