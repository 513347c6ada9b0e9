import { Environment, type ASTNode } from '@marcbachmann/cel-js'
import { registerAuthorizer } from './library/authorizer.ts'
import { registerCollections } from './library/collections.ts'
import { registerNamedFormats } from './library/named-format.ts'
import { registerNet } from './library/net.ts'
import { registerQuantity } from './library/quantity.ts'
import { registerText } from './library/text.ts'
import { problemOf, type CelProblem } from './problem.ts'
import { rewriteSource } from './source.ts'
import { longestCollection } from './values.ts'

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
}

export interface CelExpression {
  readonly source: string
  /** Values as `toCel` makes them. Throws {@link CelEvaluationError}. */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown
}

/** Longest expression that is compiled. */
const maxSourceLength = 10_000
/**
 * Most steps that one evaluation may take by estimate: nodes of the expression times the longest collection to the
 * power of the deepest nesting. A tenth of a second or so; the engine cannot be interrupted, so it is not started.
 */
const maxSteps = 5_000_000
const comprehensions = new Set(['all', 'exists', 'exists_one', 'existsOne', 'map', 'filter'])

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
  const { nodes, nesting } = weigh(run.ast)
  return {
    source,
    evaluate(values) {
      const steps = nodes * Math.max(1, nesting === 0 ? 1 : longestCollection(values)) ** nesting
      if (steps > maxSteps) {
        throw new CelEvaluationError('operation cancelled: actual cost limit exceeded')
      }
      try {
        return run(values)
      } catch (error) {
        throw new CelEvaluationError(firstLine(error))
      }
    },
  }
}

/** The message without the engine's drawing of the source. */
function firstLine(error: unknown): string {
  const { message } = error as Error
  return message.split('\n')[0] ?? message
}

/** Number of nodes, and how deep comprehensions stand within each other. */
function weigh(ast: ASTNode): { nodes: number; nesting: number } {
  let nodes = 0
  const visit = (value: unknown): number => {
    if (Array.isArray(value)) return Math.max(0, ...value.map(visit))
    if (typeof value !== 'object' || value === null || !('op' in value) || !('args' in value)) return 0
    nodes++
    const inner = visit(value.args)
    const [name] = Array.isArray(value.args) ? value.args : []
    return value.op === 'rcall' && comprehensions.has(name as string) ? inner + 1 : inner
  }
  const nesting = visit(ast)
  return { nodes, nesting }
}
