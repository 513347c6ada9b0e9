import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import { schemaOf } from '../registry/type-system.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import { groupVersionPath, openApiV2Document, openApiV3Document, type OpenApiResource } from '../schema/openapi.ts'
import type { OpenApiSource } from './openapi-routes.ts'

/** OpenAPI of everything in the catalogue: CRDs appear and vanish with it. */
export function catalogueOpenApi(catalogue: Catalogue, graph: SchemaGraph): OpenApiSource {
  const groupVersions = () =>
    catalogue.groups().flatMap(({ group, versions }) => versions.map((version) => ({ group, version })))
  const describe = (definition: ResourceDefinition): OpenApiResource => ({
    ...definition,
    schema: schemaOf(graph, definition),
    subresources: definition.subresources.map((sub) => {
      const schemaName = graph.byKind(sub.group, sub.version, sub.kind)?.name
      return schemaName === undefined || sub.kind === definition.kind ? sub : { ...sub, schemaName }
    }),
  })
  return {
    revision: () => catalogue.revision(),
    v3Paths: () => groupVersions().map(groupVersionPath),
    v3(path) {
      const wanted = groupVersions().find((one) => groupVersionPath(one) === path)
      return wanted && openApiV3Document(catalogue.resources(wanted.group, wanted.version).map(describe), graph)
    },
    v2: () => openApiV2Document(catalogue.all().map(describe), graph),
  }
}
