import { CelCompileError, CelEvaluationError, compileCel, type CelExpression } from '../../admission/cel/expression.ts'
import { toCel } from '../../admission/cel/values.ts'
import type { FieldError } from '../../api/status-error.ts'
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
 * undefined on create; elements of lists without keys have no old value.
 */
export function checkRules(value: unknown, old: unknown, schema: Schema, path = ''): FieldError[] {
  const failures: FieldError[] = []
  walk(value, old, schema, path, failures)
  return failures
}

function walk(value: unknown, old: unknown, schema: Schema, path: string, failures: FieldError[]): void {
  if (failures.length >= maxFailures || value === undefined || value === null) return
  for (const rule of rulesOf(schema)) evaluate(rule, value, old, schema, path, failures)
  if (Array.isArray(value)) {
    if (!schema.items) return
    for (const [at, item] of value.entries())
      walk(item, oldElement(item, old, schema), schema.items, `${path}[${at}]`, failures)
    return
  }
  if (typeof value !== 'object') return
  for (const [name, inner] of Object.entries(value)) {
    const next = schema.fields.get(name)?.schema ?? schema.values
    if (!next) continue
    const before = typeof old === 'object' && old !== null ? (old as Record<string, unknown>)[name] : undefined
    walk(inner, before, next, schema.fields.has(name) ? join(path, name) : `${path}[${name}]`, failures)
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
  const variables = { self: toCel(value, schema), oldSelf: toCel(old, schema) }
  try {
    if (expression.evaluate(variables) === true) return
    const told = message?.evaluate(variables)
    failures.push(
      fail(rule, path, typeof told === 'string' && told !== '' ? told : (rule.message ?? `failed rule: ${rule.rule}`)),
    )
  } catch (error) {
    if (!(error instanceof CelEvaluationError)) throw error
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

/** Elements of associative lists keep their identity through an update; those of others have none. */
function oldElement(item: unknown, old: unknown, schema: Schema): unknown {
  if (schema.listType !== 'map' || !Array.isArray(old) || typeof item !== 'object' || item === null) return undefined
  const keys = schema.listMapKeys
  return old.find((one: unknown) =>
    keys.every((key) => (one as Record<string, unknown>)?.[key] === (item as Record<string, unknown>)[key]),
  )
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)
