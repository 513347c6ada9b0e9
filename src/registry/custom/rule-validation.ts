import { compilationFailure } from '../../admission/cel/problem.ts'
import { celChecker } from '../../admission/cel/type-check.ts'
import type { CustomResourceDefinition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { groupResourceName } from '../../api/object.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import { leaf } from '../../schema/graph.ts'
import type { Field, Schema, ValidationRule } from '../../schema/schema.ts'
import { schemaFromOpenApi } from '../../schema/structural.ts'

/** Faults of one CRD that are told; each schema node may have some. */
const maxFaults = 100

/**
 * Compiles every x-kubernetes-validations rule of a CRD against the schema node that it stands at (KEP-2876). What the
 * stored definition held already is not judged again.
 */
export function validateRules(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject | undefined,
): FieldError[] {
  if (groupResourceName(definition) !== 'customresourcedefinitions.apiextensions.k8s.io') return []
  const known = new Set(old ? schemasOf(old).map(({ text }) => text) : [])
  const faults: FieldError[] = []
  for (const { path, schema, text } of schemasOf(object)) {
    if (known.has(text) || !text.includes('x-kubernetes-validations')) continue
    walk(schemaFromOpenApi(schema, objectMeta), path, faults)
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

function walk(schema: Schema, path: string, faults: FieldError[]): void {
  if (faults.length >= maxFaults || !schema.rules) return
  const rules = schema.rules.validations
  if (rules.length > 0) {
    const check = celChecker({ self: schema, oldSelf: schema })
    for (const [at, rule] of rules.entries()) {
      faults.push(...faultsOf(rule, `${path}.x-kubernetes-validations[${at}]`, check))
    }
  }
  for (const [name, field] of schema.fields) walk(field.schema, `${path}.properties[${name}]`, faults)
  if (schema.items) walk(schema.items, `${path}.items`, faults)
  if (schema.values) walk(schema.values, `${path}.additionalProperties`, faults)
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
