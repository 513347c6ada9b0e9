import { Optional } from '@marcbachmann/cel-js'
import {
  CelBudgetError,
  CelCompileError,
  CelEvaluationError,
  compileCel,
  runtimeBudget,
  type CelBudget,
  type CelExpression,
} from '../../admission/cel/expression.ts'
import { toCel } from '../../admission/cel/values.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { correlatedMember, correlateItems } from '../../schema/correlation.ts'
import { sameJson } from '../../lib/same-json.ts'
import type { Schema, ValidationRule } from '../../schema/schema.ts'

/** Rules of one object that fail are told up to here. */
const maxFailures = 100
/** Longest message that a rule may make, in characters. */
const maxMessageLength = 5 * 1024

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
  const check: Check = { failures: [], budget: { remaining: runtimeBudget } }
  walk(value, old, schema, path, check)
  return check.failures
}

/** One object's check. It ends where its budget does. */
interface Check {
  readonly failures: FieldError[]
  readonly budget: CelBudget
  isOver?: boolean
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

function walk(value: unknown, old: unknown, schema: Schema, path: string, check: Check): void {
  if (check.isOver || check.failures.length >= maxFailures || value === undefined || value === null) return
  checkNode(value, old, schema, path, check)
  if (Array.isArray(value)) {
    if (!schema.items) return
    const before = correlateItems(old, schema)
    for (const [at, item] of value.entries()) walk(item, before(item), schema.items, `${path}[${at}]`, check)
    return
  }
  if (typeof value !== 'object') return
  for (const [name, inner] of Object.entries(value)) {
    const next = schema.fields.get(name)?.schema ?? schema.values
    if (!next) continue
    const below = schema.fields.has(name) ? join(path, name) : `${path}[${name}]`
    walk(inner, correlatedMember(name, old), next, below, check)
  }
}

/** The rules of the value itself. */
function checkNode(value: unknown, old: unknown, schema: Schema, path: string, check: Check): void {
  const rules = rulesOf(schema)
  if (rules.length === 0) return
  const self = toCel(value, schema)
  const oldSelf = toCel(old, schema)
  const isSame = old !== undefined && sameJson(value, old)
  const invalid = (detail: string): void =>
    void check.failures.push(fieldErrors.invalid(path || '<nil>', schema.type, detail))
  for (const { rule, expression, message, transition, failure } of rules) {
    if (check.isOver) return
    if (failure !== undefined) invalid(`rule compile error: ${failure}`)
    if (!expression || (transition && old === undefined && !rule.optionalOldSelf)) continue
    const variables = {
      self,
      oldSelf: rule.optionalOldSelf ? Optional.of(old === undefined ? undefined : oldSelf) : oldSelf,
    }
    try {
      if (expression.evaluate(variables, check.budget) === true || (isSame && !transition)) continue
      check.failures.push(failed(rule, message, variables, schema, path, check.budget))
    } catch (error) {
      check.isOver = error instanceof CelBudgetError || (error instanceof CelEvaluationError && error.isTooCostly)
      if (error instanceof CelBudgetError) invalid(error.message)
      else if (!(error instanceof CelEvaluationError)) throw error
      else if (error.isTooCostly) {
        const why = `no further validation rules will be run due to call cost exceeds limit for rule: ${nameOf(rule)}`
        invalid(`'${error.message}': ${why}`)
      } else if (!isSame || transition) invalid(`${error.message} evaluating rule: ${nameOf(rule)}`)
    }
  }
}

const nameOf = ({ rule, message }: ValidationRule): string => (message || rule).trim()

function failed(
  rule: ValidationRule,
  message: CelExpression | undefined,
  variables: Readonly<Record<string, unknown>>,
  { type }: Schema,
  path: string,
  budget: CelBudget,
): FieldError {
  const detail = message && madeMessage(message, variables, budget)
  const said = detail ?? (rule.message?.trim() || `failed rule: ${rule.rule.trim()}`)
  const field = (rule.fieldPath ? join(path, rule.fieldPath.replace(/^\./, '')) : path) || '<nil>'
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return fieldErrors.forbidden(field, said)
    case 'FieldValueRequired':
      return fieldErrors.required(field, said)
    case 'FieldValueDuplicate':
      return fieldErrors.duplicate(field, type)
    default:
      return fieldErrors.invalid(field, type, said)
  }
}

/** What a rule's messageExpression says; undefined for what is no message, in place of which the plain one stands. */
function madeMessage(
  expression: CelExpression,
  variables: Readonly<Record<string, unknown>>,
  budget: CelBudget,
): string | undefined {
  try {
    const made = expression.evaluate(variables, budget)
    const text = typeof made === 'string' ? made.trim() : ''
    return text === '' || text.includes('\n') || text.length > maxMessageLength ? undefined : text
  } catch (error) {
    if (error instanceof CelEvaluationError && !error.isTooCostly) return undefined
    throw error
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
