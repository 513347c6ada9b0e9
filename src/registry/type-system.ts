import type { FieldError } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { applyPatch, updateManagedFields, type FieldManagerOptions } from '../schema/apply.ts'
import { conform } from '../schema/conform.ts'
import { applySchemaDefaults, completeStructs } from '../schema/defaults.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import type { Schema } from '../schema/schema.ts'
import { applyStrategicPatch } from '../schema/strategic-patch.ts'
import { validateValue } from '../schema/value-validation.ts'
import { typeCheckPolicy, validateExpressions } from './admission-expressions.ts'
import { apiVersionOf } from './api-version.ts'
import { checkRules, hasRules } from './custom/cel-rules.ts'
import { validateSchemas } from './custom/schema-validation.ts'
import { timestamp } from './metadata.ts'
import type { FieldWriter, TypeSystem } from './ports.ts'

/** A definition that brings its schema along instead of naming one in the graph (CRDs). */
export interface SchemaHolder {
  schema?: Schema
}

/** The schema of a definition: its own, or the one that it names. */
export function schemaOf(graph: Pick<SchemaGraph, 'get'>, definition: ResourceDefinition & SchemaHolder): Schema {
  return definition.schema ?? must(graph.get(definition.schemaName), `no schema named ${definition.schemaName}`)
}

/** Faults that rules cannot be evaluated beside, or at a price that nobody has estimated. */
const blocksRules: ReadonlySet<string | undefined> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
])
const rulesUnchecked: FieldError = {
  reason: 'FieldValueInvalid',
  field: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
}

/** The schema graph as the pipeline uses it. */
export function schemaTypeSystem(graph: Pick<SchemaGraph, 'get'>): TypeSystem {
  return {
    conform: (definition, value) => ({ value, strictErrors: conform(value, schemaOf(graph, definition)) }),
    applyDefaults(definition, object) {
      const schema = schemaOf(graph, definition)
      applySchemaDefaults(object, schema)
      definition.strategy.applyDefaults?.(object)
      // Structs that Go always writes; a CRD's objects are written as they are.
      if (!schema.rules) completeStructs(object, schema)
    },
    validate(definition, object, old) {
      const schema = schemaOf(graph, definition)
      // Built-in kinds check themselves, but for their CEL; what a CRD demands stands in its schema.
      if (!schema.rules)
        return [...validateExpressions(definition, object, old), ...validateSchemas(definition, object, old)]
      const failures = validateValue(object, schema, old)
      // Rules are written for values of the declared types and sizes.
      if (!hasRules(schema)) return failures
      return failures.some(({ reason }) => blocksRules.has(reason))
        ? [...failures, rulesUnchecked]
        : [...failures, ...checkRules(object, old, schema)]
    },
    checkPolicyTypes: (definition, next, old, catalogue) =>
      typeCheckPolicy(definition, next, old, catalogue, (one) => schemaOf(graph, one)),
    strategicMerge: (definition, current, patch) => applyStrategicPatch(current, patch, schemaOf(graph, definition)),
    apply: (definition, live, applied, by) =>
      applyPatch(schemaOf(graph, definition), live, applied, { ...writerOf(definition, by), force: by.force }),
    track: (definition, live, next, by) =>
      updateManagedFields(schemaOf(graph, definition), live, next, writerOf(definition, by)).metadata.managedFields,
  }
}

function writerOf(definition: ResourceDefinition, { manager, subresource, nowMs }: FieldWriter): FieldManagerOptions {
  return {
    manager,
    apiVersion: apiVersionOf(definition),
    now: timestamp(nowMs),
    subresource,
    resetFields: resetFields(definition, subresource),
  }
}

/** What an endpoint ignores nobody comes to own by it. */
function resetFields(definition: ResourceDefinition, subresource: string): string[][] {
  if (subresource === 'status') return [['spec']]
  return subresource === '' && definition.subresources.some(({ name }) => name === 'status') ? [['status']] : []
}
