import { Optional } from '@marcbachmann/cel-js'
import { CelCompileError, CelEvaluationError, compileCel, type CelExpression } from '../../admission/cel/expression.ts'
import { toCel } from '../../admission/cel/values.ts'
import type { FieldError } from '../../api/status-error.ts'
import { correlatedMember, correlateItems } from '../../schema/correlation.ts'
import { sameJson } from '../../schema/merge-patch.ts'
import type { Schema, ValidationRule } from '../../schema/schema.ts'

/** Rules of one object that fail are told up to here. */
const maxFailures = 100

/** A rule, compiled once a schema: schemas live as long as their CRD's generation. */
interface CompiledRule {
  rule: ValidationRule
  expression: CelExpression | undefined
  message: CelExpression | undefined
  /** Speaks of `oldSelf`: holds only for updates. */
  transition: boolean
  failure?: string
}

const compiled = new WeakMap<Schema, CompiledRule[]>()

/**
 * x-kubernetes-validations (KEP-2876) of `value` and everything below it. `old` is the value at the same place before,
 * undefined on create; elements of lists without keys have no old value. A value that is what it was may go on breaking
 * rules that came later, but for those that speak of the change itself (KEP-4008, ratcheting).
 */
export function checkRules(value: unknown, old: unknown, schema: Schema, path = ''): FieldError[] {
  const failures: FieldError[] = []
  walk(value, old, schema, path, failures)
  return failures
}

const withRules = new WeakMap<Schema, boolean>()

/** Whether a rule stands anywhere in the schema. */
export function hasRules(schema: Schema): boolean {
  const known = withRules.get(schema)
  if (known !== undefined) return known
  const inner = [...schema.fields.values()].map((field) => field.schema)
  const found =
    (schema.rules?.validations.length ?? 0) > 0 ||
    [...inner, ...[schema.items, schema.values].filter((one) => one !== undefined)].some(hasRules)
  withRules.set(schema, found)
  return found
}

function walk(value: unknown, old: unknown, schema: Schema, path: string, failures: FieldError[]): void {
  if (failures.length >= maxFailures || value === undefined || value === null) return
  for (const rule of rulesOf(schema)) evaluate(rule, value, old, schema, path, failures)
  if (Array.isArray(value)) {
    if (!schema.items) return
    const before = correlateItems(old, schema)
    for (const [at, item] of value.entries()) walk(item, before(item), schema.items, `${path}[${at}]`, failures)
    return
  }
  if (typeof value !== 'object') return
  for (const [name, inner] of Object.entries(value)) {
    const next = schema.fields.get(name)?.schema ?? schema.values
    if (!next) continue
    walk(
      inner,
      correlatedMember(name, old),
      next,
      schema.fields.has(name) ? join(path, name) : `${path}[${name}]`,
      failures,
    )
  }
}

function evaluate(
  compiledRule: CompiledRule,
  value: unknown,
  old: unknown,
  schema: Schema,
  path: string,
  failures: FieldError[],
): void {
  const { rule, expression, message, transition, failure } = compiledRule
  if (failure !== undefined) return void failures.push(fail(rule, path, `rule compile error: ${failure}`))
  if (!expression || (transition && old === undefined && !rule.optionalOldSelf)) return
  const before = toCel(old, schema)
  const variables = {
    self: toCel(value, schema),
    oldSelf: rule.optionalOldSelf ? Optional.of(old === undefined ? undefined : before) : before,
  }
  const isRatcheted = () => !transition && old !== undefined && sameJson(value, old)
  try {
    if (expression.evaluate(variables) === true) return
    if (isRatcheted()) return
    const told = message?.evaluate(variables)
    failures.push(
      fail(rule, path, typeof told === 'string' && told !== '' ? told : (rule.message ?? `failed rule: ${rule.rule}`)),
    )
  } catch (error) {
    if (!(error instanceof CelEvaluationError)) throw error
    if (isRatcheted()) return
    failures.push(fail(rule, path, `rule evaluation error: ${error.message}`))
  }
}

function fail(rule: ValidationRule, path: string, message: string): FieldError {
  const reasons: Readonly<Record<string, FieldError['reason']>> = {
    FieldValueForbidden: 'FieldValueForbidden',
    FieldValueRequired: 'FieldValueRequired',
    FieldValueDuplicate: 'FieldValueDuplicate',
  }
  const field = rule.fieldPath ? join(path, rule.fieldPath.replace(/^\./, '')) : path
  return {
    reason: reasons[rule.reason ?? ''] ?? 'FieldValueInvalid',
    field: field || '<nil>',
    message: `Invalid value: ${message}`,
  }
}

function rulesOf(schema: Schema): CompiledRule[] {
  const rules = schema.rules?.validations ?? []
  if (rules.length === 0) return []
  const known = compiled.get(schema)
  if (known) return known
  const made = rules.map(compileRule)
  compiled.set(schema, made)
  return made
}

function compileRule(rule: ValidationRule): CompiledRule {
  const transition = /\boldSelf\b/.test(rule.rule)
  try {
    const names = ['self', 'oldSelf']
    return {
      rule,
      transition,
      expression: compileCel(rule.rule, names),
      message: rule.messageExpression ? compileCel(rule.messageExpression, names) : undefined,
    }
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error
    return { rule, transition, expression: undefined, message: undefined, failure: error.message }
  }
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)
