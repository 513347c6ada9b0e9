import { compilationFailure } from '../admission/cel/problem.ts'
import { celChecker, type CelTypes } from '../admission/cel/type-check.ts'
import { conditionVariables } from '../admission/match-conditions.ts'
import { policyVariables } from '../admission/policy/policies.ts'
import type {
  MatchCondition,
  MutatingAdmissionPolicy,
  ValidatingAdmissionPolicy,
  ValidatingWebhookConfiguration,
} from '../api/kinds.ts'
import { groupResourceName, type KubeObject } from '../api/object.ts'
import { fieldErrors, type FieldError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Schema } from '../schema/schema.ts'
import type { Catalogue } from './catalogue.ts'

const group = 'admissionregistration.k8s.io'
const maxMatchConditions = 64
/** Types of objects that one policy is checked for; more would be told to nobody's use (upstream's own bound). */
const maxTypesToCheck = 10

/** One expression of an object, where it stands and what it may yield. */
interface Expression {
  readonly path: string
  readonly source: string | undefined
  readonly variables: readonly string[]
  /** Of the result; undefined: any. */
  readonly yields?: 'bool' | 'string'
}

/**
 * What is wrong with the CEL of webhook configurations and admission policies. What stood there before is not judged
 * again: an engine that learned more must not lock an object (as upstream's ratcheting of stored expressions).
 */
export function validateExpressions(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject | undefined,
): FieldError[] {
  if (definition.group !== group) return []
  const known = new Set(old ? expressionsOf(definition, old).map(({ source }) => source) : [])
  return [
    ...conditionLists(definition, object).flatMap(({ path, conditions }) => validateConditions(conditions, path)),
    ...expressionsOf(definition, object)
      .filter(({ source }) => !known.has(source))
      .flatMap(validateExpression),
  ]
}

function validateExpression({ path, source, variables, yields }: Expression): FieldError[] {
  if (!source?.trim()) return []
  const untyped: CelTypes = Object.fromEntries(variables.map((name) => [name, undefined]))
  const checked = celChecker(untyped)(source)
  if ('problem' in checked) {
    return [fieldErrors.invalid(path, source, compilationFailure(checked.problem, source))]
  }
  if (yields === undefined || checked.type === yields || checked.type === 'dyn') return []
  return [fieldErrors.invalid(path, source, `must evaluate to ${yields}`)]
}

function conditionLists(definition: ResourceDefinition, object: KubeObject) {
  if (definition.resource.endsWith('webhookconfigurations')) {
    const { webhooks = [] } = object as ValidatingWebhookConfiguration
    return webhooks.map(({ matchConditions }, at) => ({
      path: `webhooks[${at}].matchConditions`,
      conditions: matchConditions ?? [],
    }))
  }
  const { spec } = object as ValidatingAdmissionPolicy
  return [{ path: 'spec.matchConditions', conditions: spec?.matchConditions ?? [] }]
}

function validateConditions(conditions: readonly MatchCondition[], path: string): FieldError[] {
  if (conditions.length > maxMatchConditions) {
    return [fieldErrors.tooMany(path, conditions.length, maxMatchConditions)]
  }
  const names = new Set<string>()
  return conditions.flatMap(({ name, expression }, at) => {
    const wrong: FieldError[] = []
    if (!name) wrong.push(fieldErrors.required(`${path}[${at}].name`))
    else if (names.has(name)) wrong.push(fieldErrors.duplicate(`${path}[${at}].name`, name))
    names.add(name)
    if (!expression?.trim()) wrong.push(fieldErrors.required(`${path}[${at}].expression`))
    return wrong
  })
}

function expressionsOf(definition: ResourceDefinition, object: KubeObject): Expression[] {
  if (definition.resource.endsWith('webhookconfigurations')) {
    return conditionLists(definition, object).flatMap(({ path, conditions }) =>
      conditions.map(({ expression }, at): Expression => ({
        path: `${path}[${at}].expression`,
        source: expression,
        variables: conditionVariables,
        yields: 'bool',
      })),
    )
  }
  if (definition.resource.endsWith('policies')) return policyExpressions(object)
  return []
}

function policyExpressions(object: KubeObject): Expression[] {
  const { spec = {} } = object as ValidatingAdmissionPolicy & MutatingAdmissionPolicy
  const variables = policyVariables.filter((name) => name !== 'params' || spec.paramKind)
  const list = <T>(
    name: string,
    entries: readonly T[] | undefined,
    read: (one: T) => [string, string | undefined, Expression['yields']][],
  ) =>
    (entries ?? []).flatMap((one, at) =>
      read(one).map(([field, source, yields]) => ({ path: `spec.${name}[${at}].${field}`, source, variables, yields })),
    )
  return [
    ...list('matchConditions', spec.matchConditions, ({ expression }) => [['expression', expression, 'bool']]),
    ...list('variables', spec.variables, ({ expression }) => [['expression', expression, undefined]]),
    ...list('validations', spec.validations, ({ expression, messageExpression }) => [
      ['expression', expression, 'bool'],
      ['messageExpression', messageExpression, 'string'],
    ]),
    ...list('auditAnnotations', spec.auditAnnotations, ({ valueExpression }) => [
      ['valueExpression', valueExpression, undefined],
    ]),
    ...list('mutations', spec.mutations, ({ applyConfiguration, jsonPatch }) => [
      ['applyConfiguration.expression', applyConfiguration?.expression, undefined],
      ['jsonPatch.expression', jsonPatch?.expression, undefined],
    ]),
  ]
}

/**
 * Checks a ValidatingAdmissionPolicy against the types that it names and says in its status what cannot be meant
 * (KEP-3488 "type checking"). Warnings only: a policy may be written for versions that come later. Mutates `next`.
 */
export function typeCheckPolicy(
  definition: ResourceDefinition,
  next: KubeObject,
  old: KubeObject | undefined,
  catalogue: Pick<Catalogue, 'all'>,
  schemaOf: (definition: ResourceDefinition) => Schema,
): void {
  if (groupResourceName(definition) !== `validatingadmissionpolicies.${group}`) return
  const policy = next as ValidatingAdmissionPolicy & KubeObject
  const { generation } = policy.metadata
  if (old && generation === (old as ValidatingAdmissionPolicy).status?.observedGeneration) return
  const checkers = typesOf(policy, catalogue).map((one) => ({
    title: `${one.group ? `${one.group}/` : ''}${one.version}, Kind=${one.kind}`,
    check: celChecker({
      ...Object.fromEntries(policyVariables.map((name) => [name, undefined])),
      object: schemaOf(one),
      oldObject: schemaOf(one),
    }),
  }))
  const expressionWarnings = policyExpressions(policy)
    .filter(({ path }) => path.startsWith('spec.validations'))
    .flatMap(({ path, source }) => {
      if (!source) return []
      const warnings = checkers.flatMap(({ title, check }) => {
        const checked = check(source)
        return 'problem' in checked
          ? [`${title}: ${compilationFailure(checked.problem, source).replace(/^compilation failed: /, '')}`]
          : []
      })
      return warnings.length > 0 ? [{ fieldRef: path, warning: warnings.join('\n') }] : []
    })
  policy.status = {
    ...policy.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
  }
}

/** The types that the policy names one by one; wildcards name none. */
function typesOf({ spec }: ValidatingAdmissionPolicy, catalogue: Pick<Catalogue, 'all'>): ResourceDefinition[] {
  const rules = spec?.matchConstraints?.resourceRules ?? []
  const found = catalogue
    .all()
    .filter((one) =>
      rules.some(
        ({ apiGroups = [], apiVersions = [], resources = [] }) =>
          apiGroups.includes(one.group) && apiVersions.includes(one.version) && resources.includes(one.resource),
      ),
    )
  return found.slice(0, maxTypesToCheck)
}
