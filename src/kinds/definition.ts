import type { KubeObject } from '../api/object.ts'
import type { FieldError } from '../api/status-error.ts'

/** A column of the server-side Table (metav1.TableColumnDefinition) with how its cell is made. Pure. */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description: string
  /** 0 is shown always, >0 only with `-o wide`. */
  priority: number
  cell(object: KubeObject, nowMs: number): string | number | boolean | null
}

/** What is particular to one kind: pure functions over plain objects, called by the pipeline in this order. */
export interface Strategy {
  /** Values that a user may not set are cleared (status on create), derived ones set. Mutates `object`. */
  prepareForCreate?(object: KubeObject): void
  /** Keeps what this update may not touch (status on the main resource; spec on /status). Mutates `object`. */
  prepareForUpdate?(object: KubeObject, old: KubeObject): void
  /** Defaults beyond those in the schema, as upstream's defaults.go. Mutates. Idempotent. */
  applyDefaults?(object: KubeObject): void
  validate?(object: KubeObject): FieldError[]
  validateUpdate?(object: KubeObject, old: KubeObject): FieldError[]
  warnings?(object: KubeObject): string[]
}

export interface SubresourceDefinition {
  name: string
  /** Kind of the body, with its group and version. */
  group: string
  version: string
  kind: string
  verbs: readonly string[]
}

/** One version of one resource: everything that discovery, the pipeline and the printers need to know of it. */
export interface ResourceDefinition {
  group: string
  version: string
  resource: string
  singular: string
  kind: string
  listKind: string
  namespaced: boolean
  verbs: readonly string[]
  shortNames: readonly string[]
  categories: readonly string[]
  /** OpenAPI definition name in the schema graph. */
  schemaName: string
  /** Version in which objects are stored; equal to `version` for most. */
  storageVersion: string
  /** Where it is stored, when not under its own group/resource (events.k8s.io/events are core events). */
  storedAs?: { group: string; resource: string }
  subresources: readonly SubresourceDefinition[]
  /** Main resource's strategy; `status` and others by name. */
  strategy: Strategy
  subresourceStrategies: Readonly<Record<string, Strategy>>
  columns: readonly Column[]
  /** Field selector keys with their values, always with metadata.name and metadata.namespace. */
  selectableFields(object: KubeObject): Record<string, string>
  /** Every write is a decided one (Lease). */
  decided: boolean
  /** Fields whose writes are decided whatever the class asked (pods: spec.nodeName by binding). */
  convertTo?(object: KubeObject, version: string): KubeObject
  /** Status subresource bumps no generation; objects without spec have none. */
  hasGeneration: boolean
}
