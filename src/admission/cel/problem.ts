/** What is wrong with an expression, and where. */
export interface CelProblem {
  readonly code: string
  /** In the words of cel-go, which users of Kubernetes know. */
  readonly message: string
  /** Offset in the source, from 0. */
  readonly offset: number
}

interface EngineError extends Error {
  code?: string
  summary?: string
  range?: { start: number }
}

/** Reads what the engine threw or found. */
export function problemOf(error: unknown): CelProblem {
  const { code = '', summary, range, message } = error as EngineError
  const text = summary ?? message.split('\n')[0] ?? message
  return { code, message: translate(code, text), offset: range?.start ?? 0 }
}

/** `compilation failed: ERROR: <input>:1:5: undefined field 'z'` and the line with a mark below the place. */
export function compilationFailure(problem: CelProblem, source: string): string {
  const before = source.slice(0, problem.offset).split('\n')
  const line = before.length
  const column = before.at(-1)?.length ?? 0
  const text = source.split('\n')[line - 1] ?? ''
  return `compilation failed: ERROR: <input>:${line}:${column + 1}: ${problem.message}\n | ${text}\n | ${'.'.repeat(column)}^`
}

const operatorError = /^no such overload: (.+?) (==|!=|<=?|>=?|[-+*/%]|in|&&|\|\|) (.+)$/

function translate(code: string, text: string): string {
  const quoted = /: (.*)$/s.exec(text)?.[1] ?? ''
  switch (code) {
    case 'no_such_key':
      return `undefined field '${quoted}'`
    case 'unknown_variable':
      return `undeclared reference to '${quoted}' (in container '')`
    case 'no_such_overload': {
      const [, left, operator, right] = operatorError.exec(text) ?? []
      return left ? `found no matching overload for '_${operator}_' applied to '(${left}, ${right})'` : text
    }
    case 'no_matching_overload':
      return text
    default:
      return /^Unexpected|^Expected|^Unterminated|^Invalid/.test(text) ? `Syntax error: ${text}` : text
  }
}
