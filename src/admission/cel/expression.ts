import { Environment } from '@marcbachmann/cel-js'
import { registerAuthorizer } from './library/authorizer.ts'
import { registerCollections } from './library/collections.ts'
import { registerNamedFormats } from './library/named-format.ts'
import { registerNet } from './library/net.ts'
import { registerQuantity } from './library/quantity.ts'
import { registerText } from './library/text.ts'
import { CostMeter, costExceeded, meterExpression } from './meter.ts'
import { problemOf, type CelProblem } from './problem.ts'
import { rewriteSource } from './source.ts'

/** An expression is not CEL, or names what is not there. The author's mistake. */
export class CelCompileError extends Error {
  override name = 'CelCompileError'
  readonly problem: CelProblem

  constructor(problem: CelProblem) {
    super(problem.message)
    this.problem = problem
  }
}

/** Evaluation failed: a missing key, a wrong type, too much work. */
export class CelEvaluationError extends Error {
  override name = 'CelEvaluationError'
  /** It was ended because of its cost. */
  readonly isTooCostly: boolean

  constructor(message: string, isTooCostly = false) {
    super(message)
    this.isTooCostly = isTooCostly
  }
}

/** Several expressions together cost more than they may: none is evaluated after it. */
export class CelBudgetError extends Error {
  override name = 'CelBudgetError'
}

/** What expressions that are evaluated one after the other may still cost together. */
export interface CelBudget {
  remaining: number
}

/** For the expressions of a policy and its binding, or all rules of a custom resource (upstream's RuntimeCELCostBudget). */
export const runtimeBudget = 10_000_000
/** For match conditions (upstream's RuntimeCELCostBudgetMatchConditions). */
export const conditionsBudget = 2_500_000

export interface CelExpression {
  readonly source: string
  /** Values as `toCel` makes them. Throws {@link CelEvaluationError}, and {@link CelBudgetError} when `budget` is spent. */
  evaluate(variables: Readonly<Record<string, unknown>>, budget: CelBudget): unknown
}

/** Longest expression that is compiled. */
const maxSourceLength = 10_000
/** Most steps that one evaluation may take, in cel-go's cost model: a tenth of a second or so. */
const maxCallCost = 1_000_000

function makeBase(): Environment {
  const env = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 10_000, maxDepth: 100 },
  })
  registerText(env)
  registerCollections(env)
  registerQuantity(env)
  registerNet(env)
  registerAuthorizer(env)
  registerNamedFormats(env)
  return env
}

let base: Environment | undefined
const environments = new Map<string, Environment>()

/** Kubernetes' libraries and these variables, of any type. Environments differ by their variables only, and there are a handful of such sets. */
export function celEnvironment(variables: readonly string[]): Environment {
  const key = variables.join(',')
  const known = environments.get(key)
  if (known) return known
  base ??= makeBase()
  const env = base.clone()
  for (const name of variables) env.registerVariable(name, 'dyn')
  environments.set(key, env)
  return env
}

/**
 * Compiles CEL with Kubernetes' libraries. `variables` are the names that it may use. Throws {@link CelCompileError}.
 */
export function compileCel(source: string, variables: readonly string[]): CelExpression {
  if (source.length > maxSourceLength)
    throw new CelCompileError({ code: 'too_long', message: `longer than ${maxSourceLength} characters`, offset: 0 })
  let run: ReturnType<Environment['parse']>
  try {
    run = celEnvironment(variables).parse(rewriteSource(source))
    const checked = run.check()
    if (!checked.valid) throw checked.error ?? new Error('type check failed')
  } catch (error) {
    throw new CelCompileError(problemOf(error))
  }
  const meter = new CostMeter(maxCallCost)
  meterExpression(run.ast, meter)
  return {
    source,
    evaluate(values, budget) {
      meter.spent = 0
      let value: unknown
      let failure: unknown
      try {
        value = run(values)
      } catch (error) {
        failure = error
      }
      budget.remaining -= meter.spent
      if (budget.remaining < 0) {
        throw new CelBudgetError(
          'validation failed due to running out of cost budget, no further validation rules will be run',
        )
      }
      // Operators that put off errors may have come to a result all the same.
      if (meter.isExceeded) throw new CelEvaluationError(costExceeded, true)
      if (failure !== undefined) throw new CelEvaluationError(firstLine(failure))
      return value
    },
  }
}

/** The message without the engine's drawing of the source. */
function firstLine(error: unknown): string {
  const { message } = error as Error
  return message.split('\n')[0] ?? message
}
