import type { ASTNode } from '@marcbachmann/cel-js'
import type { Schema } from '../../schema/schema.ts'
import { celEnvironment } from './expression.ts'
import { rewriteSource } from './source.ts'

/** Largest request body that counts, in bytes of JSON: what no schema bounds is bounded by it. */
const maxRequestBytes = 3 * 1024 * 1024
/** Deepest nesting of schemas whose size is looked into; what is deeper counts as the smallest value. */
const maxDepth = 30
const comprehensions = new Set([
  'all',
  'exists',
  'exists_one',
  'existsOne',
  'map',
  'filter',
  'transformList',
  'transformMap',
])

type Scope = ReadonlyMap<string, Schema | undefined>

interface Estimate {
  cost: number
  /** Of the value, where the expression only walks down a schema. */
  schema: Schema | undefined
}

/**
 * What an expression costs at most, from the bounds of the schemas of its variables: steps, those in comprehensions
 * once for each element that a request has room for (KEP-2876). A lower bound of kube-apiserver's estimate, which also
 * counts what functions do with long strings: nothing is refused here that is taken there. 0 for what does not parse.
 */
export function estimateCost(source: string, variables: Readonly<Record<string, Schema>>): number {
  let ast: ASTNode
  try {
    ast = celEnvironment(Object.keys(variables)).parse(rewriteSource(source)).ast
  } catch {
    return 0
  }
  return estimate(ast, new Map(Object.entries(variables))).cost
}

function estimate(node: unknown, scope: Scope): Estimate {
  if (Array.isArray(node)) return { cost: sum(node, scope), schema: undefined }
  if (typeof node !== 'object' || node === null || !('op' in node)) return { cost: 0, schema: undefined }
  const { op, args } = node as ASTNode
  const list = Array.isArray(args) ? (args as unknown[]) : []
  switch (op) {
    case 'value':
      return { cost: 0, schema: undefined }
    case 'id':
      return { cost: 1, schema: scope.get(String(args)) }
    case '.': {
      const base = estimate(list[0], scope)
      return { cost: base.cost + 1, schema: base.schema && fieldOf(base.schema, String(list[1])) }
    }
    case '[]': {
      const base = estimate(list[0], scope)
      const { cost } = estimate(list[1], scope)
      return { cost: base.cost + cost + 1, schema: base.schema?.items ?? base.schema?.values }
    }
    case 'rcall':
      return comprehensions.has(String(list[0])) ? comprehension(list, scope) : called(list.slice(1), scope)
    case '?:': {
      const [when, ...either] = list.map((one) => estimate(one, scope).cost)
      return { cost: (when ?? 0) + Math.max(0, ...either), schema: undefined }
    }
    default:
      return called(list, scope)
  }
}

const called = (args: readonly unknown[], scope: Scope): Estimate => ({ cost: 1 + sum(args, scope), schema: undefined })

const sum = (nodes: readonly unknown[], scope: Scope): number =>
  nodes.reduce<number>((total, one) => total + estimate(one, scope).cost, 0)

/** `range.all(name, …)` or, with an index before it, `range.all(index, name, …)`. */
function comprehension([, range, given]: readonly unknown[], scope: Scope): Estimate {
  const over = estimate(range, scope)
  const inner = Array.isArray(given) ? (given as ASTNode[]) : []
  const names = inner.slice(0, inner.length > 2 && inner[1]?.op === 'id' ? 2 : 1)
  const bodies = inner.slice(names.length)
  const element = over.schema?.items ?? (names.length > 1 ? over.schema?.values : undefined)
  const within = new Map(scope)
  for (const [at, name] of names.entries()) within.set(String(name.args), at === names.length - 1 ? element : undefined)
  const times = over.schema ? maxElements(over.schema) : 1
  return { cost: over.cost + times * (1 + sum(bodies, within)), schema: undefined }
}

const fieldOf = (schema: Schema, name: string): Schema | undefined => schema.fields.get(name)?.schema ?? schema.values

/** Most elements that a list or map of this schema can have. 1 for anything else. */
export function maxElements({ items, values, rules }: Schema): number {
  if (items) return rules?.maxItems ?? Math.floor((maxRequestBytes - 2) / (minBytes(items) + 1))
  // `"":` and a comma beside each value.
  if (values) return rules?.maxProperties ?? Math.floor((maxRequestBytes - 2) / (minBytes(values) + 4))
  return 1
}

/** Most values of this schema that one request has room for, anywhere. */
export const mostInRequest = (schema: Schema): number => Math.floor((maxRequestBytes - 2) / (minBytes(schema) + 1))

/** Bytes of JSON of the smallest value. */
function minBytes(schema: Schema, depth = 0): number {
  if (depth > maxDepth) return 1
  switch (schema.type) {
    case 'boolean':
      return 4
    case 'string':
    case 'array':
      return 2 + (schema.type === 'string' ? (schema.rules?.minLength ?? 0) : 0)
    case 'object': {
      const needed = [...schema.fields].filter(
        ([name, { default: value }]) => schema.required?.includes(name) && value === undefined,
      )
      return needed.reduce((total, [name, field]) => total + name.length + 4 + minBytes(field.schema, depth + 1), 2)
    }
    default:
      return 1
  }
}
