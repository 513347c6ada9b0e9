/** Steps a character of text that is walked through (cel-go's StringTraversalCostFactor). */
const perCharacter = 0.1
/** Steps a character of a regular expression, for each character that it is matched against. */
const perPatternCharacter = 0.25

/** An operand as far as it matters to what is done with it. */
export interface Operand {
  /** Characters, elements, or 1. */
  readonly size: number
  /** Of the elements, for a list whose elements are text; undefined for all else. */
  readonly textSize?: number
  readonly isList?: boolean
  readonly isMap?: boolean
  /** Its size is no bound but what it is. */
  readonly isLiteral?: boolean
}

export interface CallCost {
  readonly cost: number
  /** Of the result. Default: 1. */
  readonly size?: number
}

const walk = (size: number, factor = perCharacter): number => Math.ceil(size * factor)
const nothing: Operand = { size: 1 }

/**
 * What a function or an operator costs beside its operands, in steps of cel-go's cost model with Kubernetes' own
 * functions (k8s.io/apiserver/pkg/cel/library, cost). What is not named here costs one step. Pure.
 */
export function callCost(name: string, operands: readonly Operand[]): CallCost {
  const [first = nothing, second = nothing, third = nothing] = operands
  switch (name) {
    case 'startsWith':
    case 'endsWith':
      return { cost: walk(second.size) }
    case 'contains':
      return { cost: walk(first.size) * walk(second.size) }
    case 'matches':
    case 're2Matches':
      // One more, lest an empty text make a dear pattern free.
      return { cost: walk(first.size + 1) * walk(second.size, perPatternCharacter) }
    case 'find':
    case 'findAll':
      return { cost: walk(first.size + 1) * walk(second.size, perPatternCharacter), size: first.size }
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
    case 'url':
      return { cost: walk(first.size), size: first.size }
    case 'replace':
      return { cost: walk(first.size, 2 * perCharacter), size: replacedSize(first, second, third) }
    case 'split':
      return { cost: walk(first.size, 2 * perCharacter), size: first.size }
    case 'join': {
      const size = first.size * (first.textSize ?? 1) + (operands.length > 1 ? second.size * (first.size - 1) : 0)
      return { cost: walk(size), size }
    }
    case 'check':
      // So that an expression asks for two decisions at most.
      return { cost: 350_000 }
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf':
      return { cost: first.isList ? first.size * (1 + walk(first.textSize ?? 0)) : walk(first.size) }
    case '+':
      return first.isList || second.isList
        ? { cost: 1, size: first.size + second.size }
        : { cost: walk(first.size + second.size), size: first.size + second.size }
    case 'in':
      return { cost: second.isMap ? 1 : second.size }
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { cost: Math.max(1, walk(Math.min(first.size, second.size))) }
    case '&&':
    case '||':
      return { cost: 0 }
    default:
      return { cost: 1 }
  }
}

/** The longest that a text becomes. How long the replaced text is at least is known of literals alone. */
function replacedSize(text: Operand, from: Operand, to: Operand): number {
  if (!from.isLiteral || from.size === 0) return (text.size + 1) * to.size + text.size
  return to.size <= from.size ? text.size : Math.ceil(text.size / from.size) * to.size
}
