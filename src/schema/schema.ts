import type { FieldError } from '../api/status-error.ts'

/**
 * One node of the schema graph: built-in kinds (from the data file) and CRDs (from openAPIV3Schema) alike. Everything
 * that depends on a field's type is a walk over it: decoding, defaulting, pruning, validation, patches, apply,
 * OpenAPI, protobuf.
 */
export interface Schema {
  /** OpenAPI name such as `io.k8s.api.core.v1.Pod`; undefined for anonymous nodes. */
  readonly name: string | undefined
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'int-or-string' | 'any'
  readonly format: string | undefined
  /** Fields of an object, by JSON name. Empty for maps and scalars. */
  readonly fields: ReadonlyMap<string, Field>
  /** Value schema of a map (additionalProperties). */
  readonly values: Schema | undefined
  /** Element schema of a list. */
  readonly items: Schema | undefined
  readonly listType: 'atomic' | 'set' | 'map' | undefined
  readonly listMapKeys: readonly string[]
  readonly mapType: 'atomic' | 'granular' | undefined
  readonly nullable: boolean
  /** Unknown fields are kept (CRDs: x-kubernetes-preserve-unknown-fields; RawExtension). */
  readonly preserveUnknown: boolean
}

export interface Field {
  readonly schema: Schema
  readonly required: boolean
  readonly default: unknown
  readonly patchStrategy: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey: string | undefined
  readonly enum: readonly string[] | undefined
  /** Protobuf field number, undefined where there is none. */
  readonly proto: number | undefined
}

/** What was wrong with a body, gathered before anything is decided about it. */
export interface Decoded {
  value: unknown
  /** `unknown field "spec.foo"`, `duplicate field "spec.replicas"`: errors under Strict, warnings under Warn. */
  strictErrors: string[]
}

export type { FieldError }
