import type { ASTNode } from '@marcbachmann/cel-js'
import { callCost, type Operand } from './call-cost.ts'

/** Steps to make a list or a map (cel-go's base costs). */
export const listSteps = 10
export const mapSteps = 30

/** What is said of an evaluation that has cost more than one expression may. */
export const costExceeded = 'operation cancelled: actual cost limit exceeded'

/** Counts the steps of one evaluation of one expression. */
export class CostMeter {
  readonly #limit: number
  spent = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get isExceeded(): boolean {
    return this.spent > this.#limit
  }

  charge(steps: number): void {
    this.spent += steps
    if (this.isExceeded) throw new Error(costExceeded)
  }
}

type Evaluate = (engine: unknown, node: unknown, context: unknown) => unknown

/** What the engine's nodes are beyond its declared types, once they are checked. */
interface CheckedNode {
  readonly op: string
  readonly args: unknown
  handle?: (...given: unknown[]) => unknown
  readonly meta: { evaluate: Evaluate; alternate?: CheckedNode; macro?: Macro }
  setMeta(key: 'evaluate', value: Evaluate): unknown
}

interface Macro {
  evaluate: Evaluate
  /** Of has(): its fields, and what they are of. */
  macroHasProps?: readonly unknown[]
}

interface Comprehension {
  readonly init: CheckedNode
  condition?: (accumulated: unknown) => unknown
}

/**
 * Makes a checked expression charge for what it does, by cel-go's model of the cost at run time (interpreter,
 * runtimecost): each name, field and call, and what a comprehension does beside its body. Called once an expression,
 * before it is first evaluated.
 */
export function meterExpression(ast: ASTNode, meter: CostMeter): void {
  const seen = new Set<unknown>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (Array.isArray(value)) return value.forEach(visit)
    if (!isNode(value)) return
    visitInner(value.args)
    const { alternate, macro } = value.meta
    if (alternate) return visit(alternate)
    if (macro) {
      Object.values(macro).forEach(visit)
      return meterMacro(macro, meter)
    }
    meterNode(value, meter)
  }
  const visitInner = (args: unknown): void =>
    isNode(args) || Array.isArray(args) || typeof args !== 'object'
      ? visit(args)
      : Object.values(args ?? {}).forEach(visit)
  visit(ast)
}

const isNode = (value: unknown): value is CheckedNode =>
  typeof value === 'object' && value !== null && 'op' in value && 'setMeta' in value

function meterNode(node: CheckedNode, meter: CostMeter): void {
  const onEvaluate = (steps: number): void => {
    const { evaluate } = node.meta
    node.setMeta('evaluate', (engine, self, context) => {
      meter.charge(steps)
      return evaluate(engine, self, context)
    })
  }
  const { handle } = node
  const onHandle = (costOf: (given: readonly unknown[]) => number): void => {
    node.handle = (...given) => {
      meter.charge(costOf(given))
      return handle?.(...given)
    }
  }
  switch (node.op) {
    case 'id':
    // What a step has accumulated so far is a name, too.
    case 'accuValue':
      return onEvaluate(1)
    case 'accuInc':
      return onEvaluate(2)
    // `result + [item]`
    case 'accuPush':
      return onEvaluate(listSteps + 2)
    case 'list':
      return onEvaluate(listSteps)
    case 'map':
      return onEvaluate(mapSteps)
    case 'comprehension':
      // Its result is a name.
      onEvaluate(1)
      return meterLoop(node.args as Comprehension, meter)
    case 'call':
    case 'rcall': {
      const [name] = node.args as [string]
      return onHandle(([operands]) => costOfCall(name, (operands as unknown[]).map(operandOf)))
    }
    case 'value':
    case '?:':
    case '&&':
    case '||':
      return
    default: {
      const isUnary = !Array.isArray(node.args)
      return onHandle((given) => callCost(node.op, given.slice(0, isUnary ? 1 : 2).map(operandOf)).cost)
    }
  }
}

/** all() and exists() look at each turn whether they know enough; for the others there is nothing to look at but the meter. */
function meterLoop(loop: Comprehension, meter: CostMeter): void {
  const { condition } = loop
  const steps = condition ? (loop.init.args === true ? 3 : 4) : 0
  loop.condition = (accumulated) => {
    // Errors of a turn are put off by all() and exists(), this one too: the loop ends by itself.
    if (meter.isExceeded) return false
    meter.spent += steps
    return condition ? condition(accumulated) : true
  }
}

/** has() pays for the way to what it asks for, not for the question. */
function meterMacro(macro: Macro, meter: CostMeter): void {
  const steps = (macro.macroHasProps?.length ?? 0) - 2
  if (steps <= 0) return
  const { evaluate } = macro
  macro.evaluate = (engine, self, context) => {
    meter.charge(steps)
    return evaluate(engine, self, context)
  }
}

/** Some functions look at each pair of elements, which estimates do not count, lest rules be refused that are taken elsewhere. */
function costOfCall(name: string, operands: readonly Operand[]): number {
  const [first, second, third] = operands
  if (name === 'distinct' && first) return first.size ** 2
  // `sets.contains(list, list)` and its like.
  if (second?.isList && third?.isList) return second.size * third.size
  return callCost(name, operands).cost
}

function operandOf(value: unknown): Operand {
  if (typeof value === 'string' || value instanceof Uint8Array) return { size: value.length }
  if (Array.isArray(value)) {
    return {
      size: value.length,
      isList: true,
      get textSize() {
        return value.reduce<number>((most, one) => (typeof one === 'string' ? Math.max(most, one.length) : most), 0)
      },
    }
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return { size: 1 }
  return { size: Object.keys(value).length, isMap: true }
}
