/** A compiled path of the simple JSONPath that CRDs use: fields, indices, `[*]`, and `[?(@.a=="b")]`. */
export type JsonPath = (value: unknown) => unknown[]

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; at: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: readonly string[]; operator: '==' | '!='; literal: string | number | boolean }

const maxPathLength = 1024

/** Compiles `.spec.replicas` or `{.status.conditions[?(@.type=="Ready")].status}`. undefined when it is no such path. */
export function compileJsonPath(text: string): JsonPath | undefined {
  const steps = parse(text.trim().replace(/^\{(.*)\}$/s, '$1'))
  return (
    steps && ((value) => steps.reduce<unknown[]>((found, step) => found.flatMap((one) => take(one, step)), [value]))
  )
}

const token =
  /^(?:\.([A-Za-z_$][\w$-]*(?:\\\.[\w$-]+)*)|\[(-?\d+)\]|\[['"]([^'"]*)['"]\]|(?:\.|\[)\*\]?|\[\?\(\s*@((?:\.[\w$-]+)+)\s*(==|!=)\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*\)\])/

function parse(text: string): Step[] | undefined {
  if (text.length > maxPathLength) return undefined
  let rest = text.startsWith('.') || text.startsWith('[') ? text : `.${text}`
  const steps: Step[] = []
  while (rest !== '') {
    const found = token.exec(rest)
    if (!found) return undefined
    const [whole, field, index, quoted, filter, operator, literal] = found
    if (field !== undefined) steps.push({ kind: 'field', name: field.replaceAll('\\.', '.') })
    else if (index !== undefined) steps.push({ kind: 'index', at: Number(index) })
    else if (quoted !== undefined) steps.push({ kind: 'field', name: quoted })
    else if (filter !== undefined) {
      steps.push({
        kind: 'filter',
        path: filter.slice(1).split('.'),
        operator: operator as '==' | '!=',
        literal: parseLiteral(literal ?? ''),
      })
    } else steps.push({ kind: 'all' })
    rest = rest.slice(whole.length)
  }
  return steps
}

function parseLiteral(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^['"]/.test(text) ? text.slice(1, -1) : Number(text)
}

function take(value: unknown, step: Step): unknown[] {
  switch (step.kind) {
    case 'field': {
      const inner = member(value, step.name)
      return inner === undefined || inner === null ? [] : [inner]
    }
    case 'index': {
      const inner: unknown = Array.isArray(value) ? value.at(step.at) : undefined
      return inner === undefined ? [] : [inner]
    }
    case 'all':
      return Array.isArray(value) ? value : typeof value === 'object' && value !== null ? Object.values(value) : []
    case 'filter':
      return Array.isArray(value)
        ? value.filter(
            (one) => (step.path.reduce(member, one as unknown) === step.literal) === (step.operator === '=='),
          )
        : []
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return undefined
  return (value as Record<string, unknown>)[name]
}
