import { encodeGnosticV2 } from './gnostic.ts'
import type { SchemaGraph } from './graph.ts'
import { groupVersionPath, openApiV2Document, openApiV3Document, type OpenApiResource } from './openapi.ts'

/** The OpenAPI documents of one state of the served resources. Each is made when first asked for, then kept. */
export interface OpenApiSnapshot {
  /** Body of `/openapi/v3`: the path of every document with its hash. */
  indexJson(): string
  /** Body of `/openapi/v3/<path>`, with the hash that is its ETag and its `?hash=`; undefined for an unknown path. */
  v3(path: string): { json: string; hash: string } | undefined
  /** Body of `/openapi/v2` as JSON. */
  v2Json(): { json: string; hash: string }
  /** Body of `/openapi/v2` for clients that ask for gnostic's protobuf. */
  v2Protobuf(): { bytes: Uint8Array; hash: string }
}

/** Gives the documents of the resources that are served now. */
export interface OpenApiPublisher {
  /**
   * `version` changes whenever `resources` does (a counter of the registry): for the same version the same snapshot is
   * returned and `resources` is not called.
   */
  snapshot(version: string | number, resources: () => readonly OpenApiResource[]): OpenApiSnapshot
}

/**
 * @param hash of a document's text, the same on every node: hex of a cryptographic digest
 */
export function createOpenApiPublisher(graph: SchemaGraph, hash: (text: string) => string): OpenApiPublisher {
  let current: { version: string | number; snapshot: OpenApiSnapshot } | undefined
  /** Documents of the last snapshot: a change of one CRD makes the documents of the other groups anew for nothing. */
  let kept = new Map<string, KeptDocument>()
  return {
    snapshot(version, resources) {
      if (current?.version === version) return current.snapshot
      const byPath = Map.groupBy(resources(), groupVersionPath)
      const documents = new Map<string, KeptDocument>()
      for (const [path, members] of byPath) {
        const before = kept.get(path)
        documents.set(path, before && sameMembers(before.resources, members) ? before : keep(members, graph, hash))
      }
      kept = documents
      current = { version, snapshot: makeSnapshot(documents, graph, hash) }
      return current.snapshot
    },
  }
}

interface KeptDocument {
  resources: readonly OpenApiResource[]
  rendered(): { json: string; hash: string }
}

function keep(resources: readonly OpenApiResource[], graph: SchemaGraph, hash: (text: string) => string): KeptDocument {
  return {
    resources,
    rendered: once(() => {
      const json = JSON.stringify(openApiV3Document(resources, graph))
      return { json, hash: hash(json) }
    }),
  }
}

/** The registry keeps the schema object of a resource that did not change; its other facts are few enough to compare. */
function sameMembers(a: readonly OpenApiResource[], b: readonly OpenApiResource[]): boolean {
  return a.length === b.length && a.every((one, index) => sameResource(one, b[index]!))
}

function sameResource(a: OpenApiResource, b: OpenApiResource): boolean {
  return a.schema === b.schema && JSON.stringify({ ...a, schema: 0 }) === JSON.stringify({ ...b, schema: 0 })
}

function makeSnapshot(
  documents: ReadonlyMap<string, KeptDocument>,
  graph: SchemaGraph,
  hash: (text: string) => string,
): OpenApiSnapshot {
  const v2 = once(() =>
    openApiV2Document(
      [...documents.values()].flatMap(({ resources }) => resources),
      graph,
    ),
  )
  const v2Json = once(() => {
    const json = JSON.stringify(v2())
    return { json, hash: hash(json) }
  })
  return {
    indexJson: once(() => {
      const paths = [...documents]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, document]) => {
          const url = `/openapi/v3/${path}?hash=${document.rendered().hash}`
          return [path, { serverRelativeURL: url }]
        })
      return JSON.stringify({ paths: Object.fromEntries(paths) })
    }),
    v3: (path) => documents.get(path)?.rendered(),
    v2Json,
    v2Protobuf: once(() => ({ bytes: encodeGnosticV2(v2()), hash: `${v2Json().hash}P` })),
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
