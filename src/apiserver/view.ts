import type { KubeObject } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { apiVersionOf } from '../registry/api-version.ts'
import type { Exchange } from './exchange.ts'
import type { Negotiated } from './negotiation.ts'
import { toPartialMetadata, toTable, type IncludeObject } from './table.ts'

/** A list as it is answered. */
export interface ListObject {
  apiVersion: string
  kind: string
  metadata: object
  items: KubeObject[]
}

export function listObject(definition: ResourceDefinition, items: readonly KubeObject[], metadata: object): ListObject {
  // Go's lists leave the type out of their items; clients take it from the list.
  return { kind: definition.listKind, apiVersion: apiVersionOf(definition), metadata, items: [...items] }
}

/** The object, or list, as the client wants to see it. */
export function project(
  object: KubeObject | ListObject,
  wanted: Negotiated,
  definition: ResourceDefinition,
  exchange: Exchange,
  nowMs: number,
): object {
  if (!wanted.as || object.kind === 'Status') return object
  const list = 'items' in object && Array.isArray(object.items) ? object.items : undefined
  const { version } = wanted.as
  if (wanted.as.kind === 'Table') {
    const { resourceVersion } = object.metadata as { resourceVersion?: string }
    return toTable(definition, list ?? [object as KubeObject], {
      version,
      include: includeOf(exchange),
      metadata: list ? object.metadata : resourceVersion ? { resourceVersion } : {},
      nowMs,
      headers: true,
    })
  }
  if (wanted.as.kind === 'PartialObjectMetadataList') {
    if (!list)
      throw new StatusError(
        'NotAcceptable',
        'you requested PartialObjectMetadataList, but the requested object is not a list',
      )
    const items = list.map((item) => toPartialMetadata(item, version))
    return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata, items }
  }
  if (list)
    throw new StatusError('NotAcceptable', 'you requested PartialObjectMetadata, but the requested object is a list')
  return toPartialMetadata(object as KubeObject, version)
}

/** Throws BadRequest for a value that is none. */
export function includeOf(exchange: Exchange): IncludeObject {
  const text = exchange.url.searchParams.get('includeObject') ?? ''
  if (text === '' || text === 'Metadata') return 'Metadata'
  if (text === 'None' || text === 'Object') return text
  throw errors.badRequest(`unrecognized includeObject value: ${JSON.stringify(text)}`)
}
