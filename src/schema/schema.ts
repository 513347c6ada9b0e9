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
  /** The (group, version, kind) triples that the definition is served as. */
  readonly kinds?: readonly (readonly [group: string, version: string, kind: string])[]
  /** `anyOf` forms of a field that takes an object or something else (JSONSchemaPropsOrBool): the object's schema. */
  readonly objectForm?: Schema
  /** Structs that JSON inlines and protobuf nests. */
  readonly inlined?: readonly InlinedMessage[]
  /** Names of required fields; the same fact as Field.required, in the order of declaration. */
  readonly required?: readonly string[]
  /** x-kubernetes-unions, as the OpenAPI document shows them. */
  readonly unions?: readonly unknown[]
  /** Present when the node came from a CRD's openAPIV3Schema: what its values must satisfy. */
  readonly rules?: ValueRules
}

/** An embedded Go struct: message field `proto` of the parent holds these fields, by their numbers inside it. */
export interface InlinedMessage {
  readonly proto: number
  readonly fields: ReadonlyMap<string, number>
  readonly inlined: readonly InlinedMessage[]
}

/** Value validation of a structural schema (OpenAPI v3 subset that CRDs allow), kept beside the type facts. */
export interface ValueRules {
  /** The declared type; undefined where x-kubernetes-int-or-string or preserve-unknown-fields stands alone. */
  readonly type: string | undefined
  readonly format: string | undefined
  readonly enum: readonly unknown[] | undefined
  readonly required: readonly string[]
  readonly minimum: number | undefined
  readonly maximum: number | undefined
  readonly exclusiveMinimum: boolean
  readonly exclusiveMaximum: boolean
  readonly multipleOf: number | undefined
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  readonly pattern: string | undefined
  readonly minItems: number | undefined
  readonly maxItems: number | undefined
  readonly uniqueItems: boolean
  readonly minProperties: number | undefined
  readonly maxProperties: number | undefined
  readonly allOf: readonly Schema[]
  readonly anyOf: readonly Schema[]
  readonly oneOf: readonly Schema[]
  readonly not: Schema | undefined
  readonly embeddedResource: boolean
  /** x-kubernetes-validations as declared; evaluated by whoever has a CEL engine. */
  readonly validations: readonly ValidationRule[]
  /** The document the node was made from: what OpenAPI publishes. */
  readonly source: Readonly<Record<string, unknown>>
}

/** One entry of x-kubernetes-validations. */
export interface ValidationRule {
  readonly rule: string
  readonly message?: string
  readonly messageExpression?: string
  readonly reason?: string
  readonly fieldPath?: string
  readonly optionalOldSelf?: boolean
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
  /** The Go field is a pointer: absent and zero are different. */
  readonly pointer?: boolean
  /** The Go field lacks omitempty: upstream always writes it, its zero value included. */
  readonly always?: boolean
  /** mapType declared at the field, where it differs from that of the type it refers to. */
  readonly mapType?: 'atomic' | 'granular'
}

/** What was wrong with a body, gathered before anything is decided about it. */
export interface Decoded {
  value: unknown
  /** `unknown field "spec.foo"`, `duplicate field "spec.replicas"`: errors under Strict, warnings under Warn. */
  strictErrors: string[]
}
