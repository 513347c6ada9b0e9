import { compilationFailure } from '../../admission/cel/problem.ts'
import { celChecker } from '../../admission/cel/type-check.ts'
import type { CustomResourceDefinition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { groupResourceName } from '../../api/object.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import { leaf } from '../../schema/graph.ts'
import type { Field, Schema, ValidationRule } from '../../schema/schema.ts'
import { applySchemaDefaults } from '../../schema/defaults.ts'
import { schemaFromOpenApi } from '../../schema/structural.ts'
import { validateValue } from '../../schema/value-validation.ts'
import { createRuleBudget, once, within, type Cardinality, type RuleBudget } from './rule-cost.ts'
import { validateStructure } from './structure.ts'

/** Faults of one CRD that are told; each schema node may have some. */
const maxFaults = 100

/**
 * Judges the schemas of a CRD: their structure, their defaults, and every x-kubernetes-validations rule against the node
 * that it stands at, with what it may cost (KEP-2876). What the stored definition held already is not judged again.
 */
export function validateSchemas(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject | undefined,
): FieldError[] {
  if (groupResourceName(definition) !== 'customresourcedefinitions.apiextensions.k8s.io') return []
  const known = new Set(old ? schemasOf(old).map(({ text }) => text) : [])
  const faults: FieldError[] = []
  for (const { path, schema, text } of schemasOf(object)) {
    if (known.has(text)) continue
    const misshapen = validateStructure(schema, path)
    faults.push(...misshapen)
    // What values are is known of a structural schema only.
    if (misshapen.length > 0) continue
    const structural = schemaFromOpenApi(schema, objectMeta)
    validateDefaults(structural, path, faults)
    if (!text.includes('x-kubernetes-validations')) continue
    const budget = createRuleBudget()
    walk({ schema: structural, path, cardinality: once, uncorrelated: undefined }, budget, faults)
    if (faults.length === 0) faults.push(...budget.settle(path))
  }
  return faults.slice(0, maxFaults)
}

/** Rules see no more of the metadata than its name (KEP-2876). */
const objectMeta: Schema = {
  ...leaf('object'),
  fields: new Map(['name', 'generateName'].map((name) => [name, textField()])),
}

function textField(): Field {
  return {
    schema: leaf('string'),
    required: false,
    default: undefined,
    patchStrategy: [],
    patchMergeKey: undefined,
    enum: undefined,
    proto: undefined,
  }
}

/** The schema that all versions share has its own place in upstream's messages. */
function schemasOf(object: KubeObject): { path: string; schema: unknown; text: string }[] {
  const versions = (object as CustomResourceDefinition).spec?.versions ?? []
  const found = versions.map(({ schema }, at) => ({
    path: `spec.versions[${at}].schema.openAPIV3Schema`,
    schema: schema?.openAPIV3Schema,
    text: JSON.stringify(schema?.openAPIV3Schema ?? {}),
  }))
  const [first] = found
  if (first && found.every(({ text }) => text === first.text)) {
    return [{ ...first, path: 'spec.validation.openAPIV3Schema' }]
  }
  return found
}

/** A node with what is known of its place. */
interface Place {
  schema: Schema
  path: string
  cardinality: Cardinality
  /** The list above it whose elements have no old value that could be told. */
  uncorrelated: string | undefined
}

function walk(place: Place, budget: RuleBudget, faults: FieldError[]): void {
  const { schema, path, cardinality, uncorrelated } = place
  if (faults.length >= maxFaults || !schema.rules) return
  const rules = schema.rules.validations
  if (rules.length > 0) {
    const types = { self: schema, oldSelf: schema }
    const always = celChecker(types)
    for (const [at, rule] of rules.entries()) {
      const where = `${path}.x-kubernetes-validations[${at}]`
      const wrong = faultsOf(rule, where, rule.optionalOldSelf ? celChecker(types, ['oldSelf']) : always)
      faults.push(...wrong)
      if (wrong.length > 0) continue
      if (uncorrelated !== undefined && /\boldSelf\b/.test(rule.rule)) {
        const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`
        faults.push(fieldErrors.invalid(`${where}.rule`, rule.rule, why))
      }
      faults.push(...budget.spend(rule.rule, `${where}.rule`, schema, cardinality))
    }
  }
  for (const [name, field] of schema.fields)
    walk({ ...place, schema: field.schema, path: `${path}.properties[${name}]` }, budget, faults)
  const inner = schema.items || schema.values ? within(cardinality, schema) : cardinality
  if (schema.items) {
    const list = uncorrelated ?? (schema.listType === 'map' ? undefined : path)
    walk({ schema: schema.items, path: `${path}.items`, cardinality: inner, uncorrelated: list }, budget, faults)
  }
  if (schema.values)
    walk({ ...place, schema: schema.values, path: `${path}.additionalProperties`, cardinality: inner }, budget, faults)
}

/** A default has to be a value of the schema that it stands in. */
function validateDefaults(schema: Schema, path: string, faults: FieldError[]): void {
  if (faults.length >= maxFaults || !schema.rules) return
  for (const [name, field] of schema.fields) {
    const at = `${path}.properties[${name}]`
    // A null is dropped before anything is judged.
    if (field.default !== undefined && field.default !== null && field.schema.rules) {
      const filled = structuredClone(field.default)
      applySchemaDefaults(filled, field.schema)
      const [first] = validateValue(filled, field.schema)
      if (first) faults.push(fieldErrors.invalid(`${at}.default`, field.default, `${first.field}: ${first.message}`))
    }
    validateDefaults(field.schema, at, faults)
  }
  if (schema.items) validateDefaults(schema.items, `${path}.items`, faults)
  if (schema.values) validateDefaults(schema.values, `${path}.additionalProperties`, faults)
}

function faultsOf(
  { rule, message, messageExpression }: ValidationRule,
  path: string,
  check: ReturnType<typeof celChecker>,
): FieldError[] {
  if (!rule?.trim()) return [fieldErrors.required(`${path}.rule`, 'rule is not specified')]
  const faults: FieldError[] = []
  const judge = (source: string, field: string, wanted: string): void => {
    const checked = check(source)
    // Overloads are resolved again at evaluation: the engine knows fewer of them than cel-go does.
    if ('problem' in checked) {
      if (checked.problem.code !== 'no_such_overload' && checked.problem.code !== 'no_matching_overload')
        faults.push(fieldErrors.invalid(`${path}.${field}`, source, compilationFailure(checked.problem, source)))
    } else if (checked.type !== wanted && checked.type !== 'dyn') {
      faults.push(fieldErrors.invalid(`${path}.${field}`, source, `cel expression must evaluate to a ${wanted}`))
    }
  }
  judge(rule, 'rule', 'bool')
  if (messageExpression) judge(messageExpression, 'messageExpression', 'string')
  if (message !== undefined && message.trim() === '') {
    faults.push(fieldErrors.invalid(`${path}.message`, message, 'message must be non-empty if specified'))
  } else if (message?.includes('\n')) {
    faults.push(fieldErrors.invalid(`${path}.message`, message, 'message must not contain line breaks'))
  }
  return faults
}
