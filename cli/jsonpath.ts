import { UsageError } from './command.ts'

/**
 * JSONPath templates as kubectl knows them (kubernetes.io/docs/reference/kubectl/jsonpath): text and `{…}` parts with
 * paths, quoted literals and `range … end`. Values are joined by blanks; objects are printed as JSON.
 */
export type TemplatePart =
  | { kind: 'text'; text: string }
  | { kind: 'path'; steps: readonly Step[] }
  | { kind: 'range'; steps: readonly Step[]; body: readonly TemplatePart[] }

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'every' }
  | { kind: 'descend'; name: string }
  | { kind: 'index'; from: number | undefined; to: number | undefined; by: number; isSlice: boolean }
  | { kind: 'fields'; names: readonly string[] }
  | { kind: 'indexes'; indexes: readonly number[] }
  | { kind: 'filter'; left: Operand; operator?: string; right?: Operand }

type Operand = { steps: readonly Step[] } | { literal: unknown }

/** Reads a template. Throws UsageError that says what is wrong with it. */
export function parseTemplate(text: string): TemplatePart[] {
  const tokens = [...tokenize(text)]
  let at = 0
  const parts = (isBody: boolean): TemplatePart[] => {
    const found: TemplatePart[] = []
    while (at < tokens.length) {
      const token = tokens[at++]!
      if (token.kind === 'text') found.push(token)
      else if (token.action === 'end') {
        if (isBody) return found
        throw new UsageError(`error: error parsing jsonpath ${text}, not in range, nothing to end`)
      } else if (/^range\s/.test(token.action))
        found.push({ kind: 'range', steps: parsePath(token.action.slice(5).trim()), body: parts(true) })
      else found.push(...parseAction(token.action))
    }
    if (isBody) throw new UsageError(`error: error parsing jsonpath ${text}, unterminated range`)
    return found
  }
  return parts(false)
}

function* tokenize(text: string): Generator<{ kind: 'text'; text: string } | { kind: 'action'; action: string }> {
  let start = 0
  while (start < text.length) {
    const open = text.indexOf('{', start)
    if (open !== start) yield { kind: 'text', text: text.slice(start, open < 0 ? text.length : open) }
    if (open < 0) return
    const close = endOfAction(text, open)
    yield { kind: 'action', action: text.slice(open + 1, close).trim() }
    start = close + 1
  }
}

function endOfAction(text: string, open: number): number {
  let quote = ''
  for (let at = open + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\') at++
    else if (quote) quote = char === quote ? '' : quote
    else if (char === '"' || char === "'") quote = char
    else if (char === '}') return at
  }
  throw new UsageError(`error: error parsing jsonpath ${text}, unclosed action`)
}

/** `.a .b "text"`: paths and quoted texts, parted by blanks. */
function parseAction(action: string): TemplatePart[] {
  const pieces = action.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'(?=\s|$)|(?:\[[^\]]*\]|[^\s"])+/g) ?? []
  return pieces.map((piece): TemplatePart =>
    /^["']/.test(piece) ? { kind: 'text', text: unquote(piece) } : { kind: 'path', steps: parsePath(piece) },
  )
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, char: string) => ({ n: '\n', t: '\t', r: '\r' })[char] ?? char)
}

/** `.a.b[0]`, `$.items[*]`, `..name`, `['x.y']`, `.c[?(@.type=="Ready")].status`. Throws UsageError. */
export function parsePath(text: string): Step[] {
  let rest = text.replace(/^[$@]/, '')
  if (rest !== '' && !/^[.[]/.test(rest)) rest = `.${rest}`
  const steps: Step[] = []
  while (rest !== '') {
    const descend = /^\.\.((?:[^.[\]\\]|\\.)+|\*)/.exec(rest)
    const field = /^\.((?:[^.[\]\\]|\\.)+)/.exec(rest)
    if (descend) {
      steps.push({ kind: 'descend', name: unescape(descend[1]!) })
      rest = rest.slice(descend[0].length)
    } else if (field) {
      steps.push(field[1] === '*' ? { kind: 'every' } : { kind: 'field', name: unescape(field[1]!) })
      rest = rest.slice(field[0].length)
    } else if (rest.startsWith('[')) {
      const close = endOfBracket(rest, text)
      steps.push(parseBracket(rest.slice(1, close).trim(), text))
      rest = rest.slice(close + 1)
    } else if (rest === '.') rest = ''
    else throw new UsageError(`error parsing jsonpath: unrecognized path ${text}`)
  }
  return steps
}

const unescape = (name: string): string => name.replaceAll(/\\(.)/g, '$1')

function endOfBracket(rest: string, text: string): number {
  let depth = 0
  let quote = ''
  for (let at = 0; at < rest.length; at++) {
    const char = rest[at]!
    if (quote) quote = char === quote ? '' : quote
    else if (char === '"' || char === "'") quote = char
    else if (char === '[') depth++
    else if (char === ']' && --depth === 0) return at
  }
  throw new UsageError(`error parsing jsonpath: unterminated array in ${text}`)
}

function parseBracket(inner: string, text: string): Step {
  if (inner === '*') return { kind: 'every' }
  const filter = /^\?\((.*)\)$/s.exec(inner)
  if (filter) return parseFilter(filter[1]!.trim())
  if (/^(['"]).*\1$/s.test(inner)) {
    const names = (inner.match(/'[^']*'|"[^"]*"/g) ?? []).map((name) => name.slice(1, -1))
    return names.length === 1 ? { kind: 'field', name: names[0]! } : { kind: 'fields', names }
  }
  if (/^-?\d+(\s*,\s*-?\d+)+$/.test(inner)) return { kind: 'indexes', indexes: inner.split(',').map(Number) }
  const slice = /^(-?\d*)(?::(-?\d*)(?::(-?\d+))?)?$/.exec(inner)
  if (!slice || inner === '') throw new UsageError(`error parsing jsonpath: invalid array index ${inner} in ${text}`)
  const [, from, to, by] = slice
  const isSlice = inner.includes(':')
  return { kind: 'index', from: numberOf(from), to: numberOf(to), by: Number(by ?? 1), isSlice }
}

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text === '' ? undefined : Number(text)

function parseFilter(text: string): Step {
  const found = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text)
  if (!found) return { kind: 'filter', left: operand(text) }
  return { kind: 'filter', left: operand(found[1]!), operator: found[2]!, right: operand(found[3]!) }
}

function operand(text: string): Operand {
  if (text.startsWith('@') || text.startsWith('$')) return { steps: parsePath(text) }
  if (/^["']/.test(text)) return { literal: text.slice(1, -1) }
  if (text === 'true' || text === 'false') return { literal: text === 'true' }
  const number = Number(text)
  return { literal: text !== '' && !Number.isNaN(number) ? number : text }
}

/** All values that a path finds; none where it leads nowhere. Strict: an index that a list has not is an error. */
export function findValues(steps: readonly Step[], root: unknown, isStrict = false): unknown[] {
  let values: unknown[] = [root]
  for (const step of steps)
    values =
      step.kind === 'fields'
        ? step.names.flatMap((name) => values.flatMap((value) => findValues(parsePath(name), value, isStrict)))
        : values.flatMap((value) => takeStep(step, value, isStrict))
  return values
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const fieldOf = (value: unknown, name: string): unknown[] =>
  isObject(value) && Object.hasOwn(value, name) ? [value[name]] : []

const childrenOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []

function takeStep(step: Exclude<Step, { kind: 'fields' }>, value: unknown, isStrict: boolean): unknown[] {
  switch (step.kind) {
    case 'field':
      return fieldOf(value, step.name)
    case 'every':
      return childrenOf(value)
    case 'descend': {
      const here = step.name === '*' ? childrenOf(value) : fieldOf(value, step.name)
      return [...here, ...childrenOf(value).flatMap((child) => takeStep(step, child, isStrict))]
    }
    case 'index':
      return Array.isArray(value) ? slice(value, step, isStrict) : []
    case 'indexes':
      return Array.isArray(value)
        ? step.indexes.flatMap((index) => (value.at(index) === undefined ? [] : [value.at(index)]))
        : []
    case 'filter':
      return childrenOf(value).filter((child) => holds(step, child))
  }
}

function slice(list: readonly unknown[], step: Extract<Step, { kind: 'index' }>, isStrict: boolean): unknown[] {
  if (!step.isSlice) {
    const found = list.at(step.from ?? 0)
    if (found === undefined && isStrict)
      throw new UsageError(`array index out of bounds: index ${step.from ?? 0}, length ${list.length}`)
    return found === undefined ? [] : [found]
  }
  return list.slice(step.from, step.to).filter((_, index) => step.by > 0 && index % step.by === 0)
}

function holds({ left, operator, right }: Extract<Step, { kind: 'filter' }>, value: unknown): boolean {
  const valuesOf = (one: Operand): unknown[] => ('literal' in one ? [one.literal] : findValues(one.steps, value))
  const [a] = valuesOf(left)
  if (operator === undefined || right === undefined) return valuesOf(left).length > 0
  const [b] = valuesOf(right)
  if (a === undefined || b === undefined) return false
  switch (operator) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    default: {
      if (typeof a !== typeof b) return false
      const [x, y] = [a as number, b as number]
      return operator === '<' ? x < y : operator === '>' ? x > y : operator === '<=' ? x <= y : x >= y
    }
  }
}

/** The template's text for one object or list. */
export function renderTemplate(parts: readonly TemplatePart[], data: unknown): string {
  return parts
    .map((part) => {
      switch (part.kind) {
        case 'text':
          return part.text
        case 'path':
          return findValues(part.steps, data, true).map(valueText).join(' ')
        case 'range':
          return findValues(part.steps, data, true)
            .map((value) => renderTemplate(part.body, value))
            .join('')
      }
    })
    .join('')
}

export const valueText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '')
