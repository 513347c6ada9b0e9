import { isWhole } from '../lib/exact-json.ts'
import { type FieldError, fieldErrors } from '../api/status-error.ts'
import { correlatedMember, correlateItems } from './correlation.ts'
import { itemElement } from './list-items.ts'
import { sameJson } from '../lib/same-json.ts'
import { isJsonObject } from './merge-patch.ts'
import { matchesPattern } from './pattern.ts'
import type { Schema, ValueRules } from './schema.ts'
import { hasFormat } from './value-formats.ts'

/** Most errors reported for one object. */
const maxErrors = 100

/**
 * Checks a custom resource against its structural schema: types, enums, bounds, patterns, formats, required fields,
 * uniqueness of sets and maps, and allOf/anyOf/oneOf/not. CEL rules are not evaluated here. What stands as it stood in
 * `old` is not held against the value: a schema that grew stricter must not lock an object (KEP-4008, ratcheting).
 * @returns errors in the words of upstream's OpenAPI validator (`spec.replicas in body must be of type integer: "string"`)
 */
export function validateValue(value: unknown, schema: Schema, old?: unknown): FieldError[] {
  const found: FieldError[] = []
  check(value, schema, '', found, old)
  return found.slice(0, maxErrors)
}

/** `old`: the value at the same place before; undefined where there was none, or none that could be told. */
function check(value: unknown, schema: Schema, path: string, found: FieldError[], old?: unknown): void {
  const before = found.length
  checkNode(value, schema, path, found, old)
  if (found.length > before && old !== undefined && sameJson(value, old)) found.length = before
}

function checkNode(value: unknown, schema: Schema, path: string, found: FieldError[], old: unknown): void {
  const { rules } = schema
  if (!rules || found.length >= maxErrors) return
  if (value === null && schema.nullable) return
  const mismatch = typeMismatch(value, schema, rules)
  if (mismatch) {
    const detail = `${path} in body must be of type ${mismatch}: ${JSON.stringify(typeName(value))}`
    found.push({ ...fieldErrors.invalid(path, typeName(value), detail), reason: 'FieldValueTypeInvalid' })
    return
  }
  if (rules.enum && !rules.enum.some((one) => sameJson(one, value))) {
    found.push(
      fieldErrors.notSupported(
        path,
        value,
        rules.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
      ),
    )
  }
  if (typeof value === 'number' || typeof value === 'bigint') checkNumber(value, rules, path, found)
  else if (typeof value === 'string') checkString(value, rules, path, found)
  else if (Array.isArray(value)) checkList(value, schema, rules, path, found, old)
  else if (isJsonObject(value)) checkObject(value, schema, rules, path, found, old)
  checkJunctors(value, rules, path, found)
}

/** The expected type when the value is of another; undefined when it fits. */
function typeMismatch(value: unknown, schema: Schema, rules: ValueRules): string | undefined {
  if (schema.type === 'int-or-string') {
    return typeof value === 'string' || isWhole(value) ? undefined : 'integer,string'
  }
  if (value === null) return rules.type
  switch (rules.type) {
    case 'object':
      return isJsonObject(value) ? undefined : 'object'
    case 'array':
      return Array.isArray(value) ? undefined : 'array'
    case 'integer':
      return isWhole(value) ? undefined : 'integer'
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? undefined : 'number'
    case 'string':
    case 'boolean':
      return typeof value === rules.type ? undefined : rules.type
    default:
      return undefined
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number' || typeof value === 'bigint') return isWhole(value) ? 'integer' : 'number'
  return typeof value
}

function checkNumber(value: number | bigint, rules: ValueRules, path: string, found: FieldError[]): void {
  const { minimum, maximum, multipleOf } = rules
  if (minimum !== undefined && (rules.exclusiveMinimum ? value <= minimum : value < minimum)) {
    const relation = rules.exclusiveMinimum ? 'greater than' : 'greater than or equal to'
    found.push(fieldErrors.invalid(path, value, `${path} in body should be ${relation} ${minimum}`))
  }
  if (maximum !== undefined && (rules.exclusiveMaximum ? value >= maximum : value > maximum)) {
    const relation = rules.exclusiveMaximum ? 'less than' : 'less than or equal to'
    found.push(fieldErrors.invalid(path, value, `${path} in body should be ${relation} ${maximum}`))
  }
  if (multipleOf !== undefined && multipleOf > 0 && !isMultiple(Number(value), multipleOf)) {
    found.push(fieldErrors.invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`))
  }
  const range = rules.format === 'int32' ? 2n ** 31n : rules.format === 'int64' ? 2n ** 63n : undefined
  if (range !== undefined && (value >= range || value < -range)) {
    found.push(fieldErrors.invalid(path, value, `${path} in body must be of type ${rules.format}`))
  }
}

/** 0.3 is a multiple of 0.1 although their quotient is not whole in binary. */
function isMultiple(value: number, of: number): boolean {
  const quotient = value / of
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient))
}

function checkString(value: string, rules: ValueRules, path: string, found: FieldError[]): void {
  const { minLength, maxLength, pattern, format } = rules
  if (minLength !== undefined || maxLength !== undefined) {
    const length = [...value].length
    if (minLength !== undefined && length < minLength) {
      found.push(fieldErrors.invalid(path, value, `${path} in body should be at least ${minLength} chars long`))
    }
    if (maxLength !== undefined && length > maxLength) found.push(fieldErrors.tooLong(path, maxLength))
  }
  if (pattern !== undefined && !matchesPattern(pattern, value)) {
    found.push(fieldErrors.invalid(path, value, `${path} in body should match '${pattern}'`))
  }
  if (format !== undefined && !hasFormat(format, value)) {
    found.push(fieldErrors.invalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`))
  }
}

function checkList(
  value: unknown[],
  schema: Schema,
  rules: ValueRules,
  path: string,
  found: FieldError[],
  old: unknown,
): void {
  if (rules.minItems !== undefined && value.length < rules.minItems) {
    found.push(fieldErrors.invalid(path, value.length, `${path} in body should have at least ${rules.minItems} items`))
  }
  if (rules.maxItems !== undefined && value.length > rules.maxItems) {
    found.push(fieldErrors.tooMany(path, value.length, rules.maxItems))
    return
  }
  checkUniqueness(value, schema, path, found)
  if (!schema.items) return
  const before = correlateItems(old, schema)
  for (const [index, item] of value.entries()) check(item, schema.items, `${path}[${index}]`, found, before(item))
}

function checkUniqueness(value: unknown[], schema: Schema, path: string, found: FieldError[]): void {
  if (schema.listType !== 'set' && schema.listType !== 'map') return
  const seen = new Set<string>()
  for (const [index, item] of value.entries()) {
    const named = schema.listType === 'map' ? itemElement(item, index, schema) : undefined
    // A set may hold objects too: their whole content is what must differ.
    const element = named ? ('element' in named ? named.element : undefined) : canonical(item)
    if (element === undefined) continue
    if (seen.has(element)) {
      const shown: unknown = element.startsWith('k:') ? JSON.parse(element.slice(2)) : item
      found.push(fieldErrors.duplicate(`${path}[${index}]`, shown))
    }
    seen.add(element)
  }
}

/** Text that is equal for equal values, whatever the order of their members. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
  return `{${members.join(',')}}`
}

function checkObject(
  value: Record<string, unknown>,
  schema: Schema,
  rules: ValueRules,
  path: string,
  found: FieldError[],
  old: unknown,
): void {
  const count = Object.keys(value).length
  if (rules.minProperties !== undefined && count < rules.minProperties) {
    const detail = `${path} in body should have at least ${rules.minProperties} properties`
    found.push(fieldErrors.invalid(path, count, detail))
  }
  if (rules.maxProperties !== undefined && count > rules.maxProperties) {
    const message = `Too many: ${count}: must have at most ${rules.maxProperties} items`
    found.push({ reason: 'FieldValueTooMany', field: path, message })
  }
  const below = (name: string) => (path === '' ? name : `${path}.${name}`)
  for (const name of rules.required) if (!Object.hasOwn(value, name)) found.push(fieldErrors.required(below(name)))
  for (const [name, member] of Object.entries(value)) {
    const inner = schema.fields.get(name)?.schema ?? schema.values
    if (inner) check(member, inner, below(name), found, correlatedMember(name, old))
  }
}

function checkJunctors(value: unknown, rules: ValueRules, path: string, found: FieldError[]): void {
  const failures = (schema: Schema): FieldError[] => {
    const own: FieldError[] = []
    check(value, schema, path, own)
    return own
  }
  for (const schema of rules.allOf) found.push(...failures(schema))
  if (rules.anyOf.length > 0) {
    const results = rules.anyOf.map(failures)
    if (results.every((own) => own.length > 0)) {
      found.push(fieldErrors.invalid(path, shown(value), `${path} in body must validate at least one schema (anyOf)`))
      found.push(...closest(results))
    }
  }
  if (rules.oneOf.length > 0) {
    const results = rules.oneOf.map(failures)
    const valid = results.filter((own) => own.length === 0).length
    if (valid !== 1) {
      const which = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`
      found.push(
        fieldErrors.invalid(
          path,
          shown(value),
          `${path} in body must validate one and only one schema (oneOf). ${which}`,
        ),
      )
      if (valid === 0) found.push(...closest(results))
    }
  }
  if (rules.not && failures(rules.not).length === 0) {
    found.push(fieldErrors.invalid(path, shown(value), `${path} in body must not validate the schema (not)`))
  }
}

/** The errors of the alternative that the value came nearest to. */
function closest(results: readonly FieldError[][]): FieldError[] {
  return results.toSorted((a, b) => a.length - b.length)[0] ?? []
}

/** Whole objects would drown the message. */
function shown(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? '' : value
}
