import { SelectorError, type LabelRequirement } from './selector.ts'

type Token = { kind: 'word' | '(' | ')' | ',' | '!' | '=' | '==' | '!=' | '>' | '<' | 'end'; text: string }

/** Bounds the work of one request; kube-apiserver is bounded by the length of the request line. */
const maxSelectorLength = 65_536

/**
 * The text form of a label selector, as after `kubectl -l`: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
 * Throws {@link SelectorError}. Key and value syntax is checked too, as kube-apiserver does.
 */
export function parseLabelSelector(text: string): LabelRequirement[] {
  if (text.length > maxSelectorLength) throw new SelectorError('the selector is too long')
  const tokens = tokenize(text)
  let at = 0
  const peek = () => tokens[at]?.kind ?? 'end'
  const take = (): Token => tokens[at++] ?? { kind: 'end', text: '' }

  const requirements: LabelRequirement[] = []
  if (peek() === 'end') return requirements
  for (;;) {
    requirements.push(requirement())
    const next = take()
    if (next.kind === 'end') return requirements
    if (next.kind !== ',') throw unexpected(next, "',' or 'end of string'")
    if (peek() === 'end') throw unexpected({ kind: 'end', text: '' }, "identifier after ','")
  }

  function requirement(): LabelRequirement {
    const absent = peek() === '!'
    if (absent) take()
    const key = take()
    if (key.kind !== 'word') throw unexpected(key, "'!', identifier")
    checkKey(key.text)
    if (absent) return { key: key.text, operator: 'DoesNotExist', values: [] }
    if (peek() === ',' || peek() === 'end') return { key: key.text, operator: 'Exists', values: [] }
    const operator = take()
    switch (operator.kind) {
      case '=':
      case '==':
        return { key: key.text, operator: '=', values: [checkValue(key.text, exactValue())] }
      case '!=':
        return { key: key.text, operator: '!=', values: [checkValue(key.text, exactValue())] }
      case '>':
      case '<': {
        const value = exactValue()
        if (!/^-?\d+$/.test(value)) {
          throw new SelectorError(
            `values[0][${key.text}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
          )
        }
        return { key: key.text, operator: operator.kind === '>' ? 'Gt' : 'Lt', values: [value] }
      }
      case 'word': {
        if (operator.text !== 'in' && operator.text !== 'notin') break
        const values = valueSet().map((value) => checkValue(key.text, value))
        return { key: key.text, operator: operator.text === 'in' ? 'In' : 'NotIn', values }
      }
    }
    throw unexpected(operator, 'in, notin, =, ==, !=, gt, lt')
  }

  function exactValue(): string {
    // `a=` and `a=,b` ask for the empty value.
    if (peek() === 'end' || peek() === ',') return ''
    const value = take()
    if (value.kind !== 'word') throw unexpected(value, 'identifier')
    return value.text
  }

  function valueSet(): string[] {
    const open = take()
    if (open.kind !== '(') throw unexpected(open, "'('")
    const values = new Set<string>()
    for (;;) {
      const token = take()
      if (token.kind === 'word') {
        values.add(token.text)
        const after = take()
        if (after.kind === ')') return [...values]
        if (after.kind !== ',') throw unexpected(after, "',' or ')'")
        if (peek() === ')') values.add('')
      } else if (token.kind === ',') values.add('')
      else if (token.kind === ')') {
        if (values.size === 0) values.add('')
        return [...values]
      } else throw unexpected(token, "',', ')' or identifier")
    }
  }
}

function unexpected(token: Token, expected: string): SelectorError {
  return new SelectorError(`unable to parse requirement: found '${token.text}', expected: ${expected}`)
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (const [word] of text.matchAll(/!=|==|[()=,!<>]|[^\s()=,!<>]+/g)) {
    tokens.push({ kind: isSymbol(word) ? word : 'word', text: word })
  }
  return tokens
}

const symbols = ['(', ')', ',', '!', '=', '==', '!=', '>', '<'] as const
const isSymbol = (word: string): word is (typeof symbols)[number] => (symbols as readonly string[]).includes(word)

const namePart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const prefixPart = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

function checkKey(key: string): void {
  const parts = key.split('/')
  const name = parts.at(-1) ?? ''
  const prefix = parts.length === 2 ? parts[0] : undefined
  const nameIsGood = name.length <= 63 && namePart.test(name)
  const prefixIsGood = prefix === undefined || (prefix.length <= 253 && prefixPart.test(prefix))
  if (parts.length <= 2 && nameIsGood && prefixIsGood) return
  throw new SelectorError(
    `unable to parse requirement: <nil>: Invalid value: "${key}": a qualified name must consist of alphanumeric ` +
      `characters, '-', '_' or '.', with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
  )
}

function checkValue(key: string, value: string): string {
  if (value === '' || (value.length <= 63 && namePart.test(value))) return value
  throw new SelectorError(
    `unable to parse requirement: values[0][${key}]: Invalid value: "${value}": a valid label must be an empty ` +
      `string or consist of alphanumeric characters, '-', '_' or '.', and be at most 63 characters long`,
  )
}
