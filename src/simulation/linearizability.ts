/** One operation on one register, as its client saw it. Times are of the run. */
export interface RegisterOperation {
  readonly id: string
  readonly op:
    | { type: 'write'; value: string }
    | { type: 'compare-and-set'; expected: string; value: string }
    | { type: 'read'; value: string }
  readonly calledMs: number
  /** Infinity: the outcome is unknown; it may have happened at any time since the call, or may never happen. */
  readonly returnedMs: number
}

/** States visited at most, before the checker gives up and says so. */
const visitLimit = 2_000_000

/**
 * Whether a history of one register could have been made by operations that each took effect at one moment between
 * call and return (Wing and Gong, 1993), remembering which sets of operations led to which state (Lowe, 2017).
 */
export function isLinearizable(history: readonly RegisterOperation[], initial: string): boolean {
  const operations = history.toSorted((a, b) => a.calledMs - b.calledMs)
  const certain = operations.reduce((bits, one, at) => (isCertain(one) ? bits | (1n << BigInt(at)) : bits), 0n)
  const visited = new Set<string>()
  const stack: { done: bigint; state: string }[] = [{ done: 0n, state: initial }]
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { done, state } = next
    if ((done & certain) === certain) return true
    const key = `${done.toString(36)} ${state}`
    if (visited.has(key)) continue
    visited.add(key)
    if (visited.size > visitLimit) throw new Error('the history is too concurrent to be checked')
    // Whatever takes effect next was called before the first of the others returned.
    let firstReturnMs = Infinity
    operations.forEach((one, at) => {
      if (!isDone(done, at)) firstReturnMs = Math.min(firstReturnMs, one.returnedMs)
    })
    operations.forEach((one, at) => {
      if (isDone(done, at) || one.calledMs > firstReturnMs) return
      const after = step(state, one.op)
      if (after !== undefined) stack.push({ done: done | (1n << BigInt(at)), state: after })
    })
  }
  return false
}

const isDone = (done: bigint, at: number): boolean => ((done >> BigInt(at)) & 1n) === 1n
const isCertain = ({ returnedMs }: RegisterOperation): boolean => returnedMs !== Infinity

/** The state after the operation; undefined when it could not have answered so. */
function step(state: string, op: RegisterOperation['op']): string | undefined {
  if (op.type === 'write') return op.value
  if (op.type === 'read') return op.value === state ? state : undefined
  return op.expected === state ? op.value : undefined
}
