import type { KubeObject } from '../api/object.ts'
import type { Column, ResourceDefinition } from '../kinds/definition.ts'

/** meta/v1 Table, made on the server so that every client prints the same columns (KEP-2334 and before). */
export interface Table {
  apiVersion: string
  kind: 'Table'
  metadata: object
  /** null where a watch has told them already. */
  columnDefinitions: Omit<Column, 'cell'>[] | null
  rows: { cells: unknown[]; object?: unknown }[]
}

export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** `nowMs` is what ages are counted from. */
export function toTable(
  definition: ResourceDefinition,
  objects: readonly KubeObject[],
  view: { version: string; include: IncludeObject; metadata: object; nowMs: number; headers: boolean },
): Table {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${view.version}`,
    metadata: view.metadata,
    columnDefinitions: view.headers
      ? definition.columns.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format: format ?? '',
          description,
          priority,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: definition.columns.map((column) => column.cell(object, view.nowMs)),
      ...(view.include === 'None'
        ? {}
        : { object: view.include === 'Object' ? object : toPartialMetadata(object, view.version) }),
    })),
  }
}

/** meta/v1 PartialObjectMetadata. */
export function toPartialMetadata(object: KubeObject, version: string): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}
