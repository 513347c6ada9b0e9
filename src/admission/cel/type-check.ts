import type { Environment } from '@marcbachmann/cel-js'
import type { Schema } from '../../schema/schema.ts'
import { celEnvironment } from './expression.ts'
import { problemOf, type CelProblem } from './problem.ts'
import { rewriteSource } from './source.ts'

/** What is known of the variables of an expression: a schema, or nothing. */
export type CelTypes = Readonly<Record<string, Schema | undefined>>

/** The outcome of a check: the type of the result, or what is wrong. */
export type CelCheck = { readonly type: string } | { readonly problem: CelProblem }

/** Deeper than this, and where schemas contain themselves, values are of any type. */
const maxDepth = 30

/**
 * A checker of expressions over variables of these types. Only what a schema declares is a field; what it leaves open
 * (int-or-string, preserved unknown fields, quantities) may be anything. `optional` names the variables that may have no
 * value (`oldSelf.hasValue()`).
 */
export function celChecker(types: CelTypes, optional: readonly string[] = []): (source: string) => CelCheck {
  const environment = celEnvironment([]).clone()
  const declared = new Map<Schema, string>()
  for (const [name, schema] of Object.entries(types)) {
    const type = schema ? typeName(schema, environment, declared, 0) : 'dyn'
    environment.registerVariable(name, optional.includes(name) ? `optional<${type}>` : type)
  }
  return (source) => {
    try {
      const checked = environment.parse(rewriteSource(source)).check()
      return checked.valid ? { type: checked.type ?? 'dyn' } : { problem: problemOf(checked.error) }
    } catch (error) {
      return { problem: problemOf(error) }
    }
  }
}

function typeName(schema: Schema, environment: Environment, declared: Map<Schema, string>, depth: number): string {
  const inner = (one: Schema) => typeName(one, environment, declared, depth + 1)
  if (depth > maxDepth || schema.rules?.embeddedResource) return 'dyn'
  switch (schema.type) {
    case 'boolean':
      return 'bool'
    case 'integer':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return textType(schema.format)
    case 'array':
      return schema.items ? `list<${inner(schema.items)}>` : 'dyn'
    case 'object':
      if (schema.fields.size === 0) return schema.values ? `map<string, ${inner(schema.values)}>` : 'dyn'
      return declared.get(schema) ?? declareObject(schema, environment, declared, inner)
    default:
      return 'dyn'
  }
}

function textType(format: string | undefined): string {
  if (format === 'date-time' || format === 'micro-time') return 'google.protobuf.Timestamp'
  if (format === 'byte') return 'bytes'
  return format === undefined || format === 'int-or-string' ? 'string' : 'dyn'
}

function declareObject(
  schema: Schema,
  environment: Environment,
  declared: Map<Schema, string>,
  inner: (schema: Schema) => string,
): string {
  // While its own fields are looked at the type has no name yet: what refers back to it is left open.
  declared.set(schema, 'dyn')
  const name = `Object${declared.size}`
  const fields = Object.fromEntries(
    [...schema.fields]
      .filter(([name]) => /^[A-Za-z_]\w*$/.test(name))
      .map(([name, field]) => [name, inner(field.schema)]),
  )
  environment.registerType({ name, fields })
  declared.set(schema, name)
  return name
}
