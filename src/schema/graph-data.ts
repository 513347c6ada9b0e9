import type { Schema } from './schema.ts'

/** Shape of src/api/data/kubernetes.json. `source` in it names its origin and licence. */
export interface KubernetesData {
  resources: ResourceData[]
  /** Protobuf numbers of embedded structs that are no definitions of their own. */
  inlined: Record<string, Record<string, number>>
  definitions: Record<string, DefinitionData>
}

/** One served version of one resource. */
export interface ResourceData {
  group: string
  version: string
  resource: string
  kind: string
  namespaced: boolean
  verbs: string[]
  /** By name; `kind` is the [group, version, kind] of its body. */
  subresources: Record<string, { kind: [group: string, version: string, kind: string]; verbs: string[] }>
}

export interface DefinitionData {
  type?: Schema['type']
  format?: string
  gvk?: [group: string, version: string, kind: string][]
  mapType?: 'atomic' | 'granular'
  unions?: unknown[]
  required?: string[]
  inlined?: { proto: number; struct: string }[]
  fields?: Record<string, FieldData>
}

export interface FieldData {
  /** `string`, `int32`, `#definition`, `[]element`, `{}value` … */
  type: string
  proto?: number
  pointer?: boolean
  always?: boolean
  listType?: 'atomic' | 'set' | 'map'
  listMapKeys?: string[]
  mapType?: 'atomic' | 'granular'
  patchStrategy?: ('merge' | 'replace' | 'retainKeys')[]
  patchMergeKey?: string
  default?: unknown
  enum?: string[]
}
