import type { ASTNode } from '@marcbachmann/cel-js'
import type { Schema } from '../../schema/schema.ts'
import { celEnvironment } from './expression.ts'
import { callCost, type Operand } from './call-cost.ts'
import { listSteps, mapSteps } from './meter.ts'
import { maxElements, maxSize } from './sizes.ts'
import { rewriteSource } from './source.ts'

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
  schema?: Schema | undefined
  /** Of the value, where it is known otherwise. */
  size?: number
  isLiteral?: boolean
  isList?: boolean
}

const free: Estimate = { cost: 0 }

/**
 * What an expression costs at most, from the bounds of the schemas of its variables: steps, those in comprehensions
 * once for each element that a request has room for, those of functions on text for as long as it may be (KEP-2876).
 * Where nothing is known of a value it counts as a single one, so that nothing is refused here that kube-apiserver
 * takes. 0 for what does not parse.
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
  if (typeof node !== 'object' || node === null || !('op' in node)) return free
  const { op, args } = node as ASTNode
  const list = Array.isArray(args) ? (args as unknown[]) : [args as unknown]
  switch (op) {
    case 'value':
      return { cost: 0, size: typeof args === 'string' ? args.length : 1, isLiteral: true }
    case 'id':
      return { cost: 1, schema: scope.get(String(args)) }
    case '.':
    case '.?': {
      const base = estimate(list[0], scope)
      return { cost: base.cost + 1, schema: base.schema && fieldOf(base.schema, String(list[1])) }
    }
    case '[]':
    case '[?]': {
      const base = estimate(list[0], scope)
      const { cost } = estimate(list[1], scope)
      return { cost: base.cost + cost + 1, schema: base.schema?.items ?? base.schema?.values }
    }
    case 'list':
      return { cost: listSteps + sum(list, scope), size: list.length, isList: true }
    case 'map':
      return { cost: mapSteps + sum(list.flat(), scope), size: list.length }
    case 'call':
    case 'rcall':
      return call(list, scope)
    case '?:': {
      const [when, ...either] = list.map((one) => estimate(one, scope))
      const size = Math.max(...either.map((one) => operandOf(one).size))
      return { cost: (when?.cost ?? 0) + Math.max(0, ...either.map(({ cost }) => cost)), size }
    }
    default:
      return called(op, list, scope)
  }
}

/** `name(a, b)`, or `a.name(b)`: the receiver is the first operand. */
function call([name, ...rest]: readonly unknown[], scope: Scope): Estimate {
  const given = rest.flat()
  if (comprehensions.has(String(name))) return comprehension(given, scope)
  if (name === 'bind' && given.length === 4) return bound(given, scope)
  return called(String(name), given, scope)
}

function called(name: string, args: readonly unknown[], scope: Scope): Estimate {
  const operands = args.map((one) => estimate(one, scope))
  const { cost, size = 1 } = callCost(name, operands.map(operandOf))
  return { cost: operands.reduce((total, one) => total + one.cost, cost), size }
}

function operandOf({ schema, size, isLiteral, isList }: Estimate): Operand {
  const element = schema?.items
  return {
    size: size ?? (schema ? maxSize(schema) : 1),
    isList: isList ?? element !== undefined,
    isMap: schema?.values !== undefined,
    ...(isLiteral ? { isLiteral } : {}),
    ...(element?.type === 'string' ? { textSize: maxSize(element) } : {}),
  }
}

const sum = (nodes: readonly unknown[], scope: Scope): number =>
  nodes.reduce<number>((total, one) => total + estimate(one, scope).cost, 0)

/** `cel.bind(name, value, body)` */
function bound([, name, value, body]: readonly unknown[], scope: Scope): Estimate {
  const of = estimate(value, scope)
  const inner = estimate(body, new Map(scope).set(nameOf(name), of.schema))
  return { ...inner, cost: of.cost + inner.cost }
}

/** `range.all(name, …)` or, with an index before it, `range.all(index, name, …)`. */
function comprehension([range, ...inner]: readonly unknown[], scope: Scope): Estimate {
  const over = estimate(range, scope)
  const names = inner.slice(0, inner.length > 2 && (inner[1] as ASTNode | undefined)?.op === 'id' ? 2 : 1)
  const bodies = inner.slice(names.length)
  const element = over.schema?.items ?? (names.length > 1 ? over.schema?.values : undefined)
  const within = new Map(scope)
  for (const [at, name] of names.entries()) within.set(nameOf(name), at === names.length - 1 ? element : undefined)
  const times = over.schema ? maxElements(over.schema) : (over.size ?? 1)
  return { cost: over.cost + times * (1 + sum(bodies, within)), size: times }
}

const nameOf = (node: unknown): string => String((node as ASTNode).args)

const fieldOf = (schema: Schema, name: string): Schema | undefined => schema.fields.get(name)?.schema ?? schema.values
