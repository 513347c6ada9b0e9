import { UsageError } from '../command.ts'

/** The nodes of a Go text/template (pkg.go.dev/text/template), as far as `-o go-template` needs them. */
export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'print'; pipe: Pipe }
  | { kind: 'if' | 'with' | 'range'; pipe: Pipe; body: readonly Node[]; otherwise: readonly Node[] }
  | { kind: 'break' | 'continue' }
  | { kind: 'template'; name: string; pipe: Pipe | undefined }

/** `$i, $v := a | b`: the value of each command is the last argument of the next. */
export interface Pipe {
  variables: readonly string[]
  /** `=` instead of `:=`. */
  assigns: boolean
  commands: readonly (readonly Operand[])[]
}

export type Operand = { fields: readonly string[] } & (
  | { kind: 'dot' | 'nil' }
  | { kind: 'literal'; value: string | number | boolean }
  | { kind: 'variable' | 'function'; name: string }
  | { kind: 'pipe'; pipe: Pipe }
)

export interface Template {
  root: readonly Node[]
  /** What `define` and `block` name. */
  named: ReadonlyMap<string, readonly Node[]>
}

const failure = (text: string, why: string): UsageError =>
  new UsageError(`error parsing template ${text}, template: output:1: ${why}`)

type Piece = { text: string } | { action: string }

/** Text and actions, with the blanks gone that `{{-` and `-}}` trim. */
function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = []
  let start = 0
  let trimsNext = false
  while (start <= text.length) {
    const open = text.indexOf('{{', start)
    const trimsBefore = open >= 0 && /^\{\{-\s/.test(text.slice(open))
    let plain = text.slice(start, open < 0 ? text.length : open)
    if (trimsNext) plain = plain.trimStart()
    if (trimsBefore) plain = plain.trimEnd()
    if (plain !== '') pieces.push({ text: plain })
    if (open < 0) break
    const close = endOfAction(text, open + 2)
    let action = text.slice(open + (trimsBefore ? 3 : 2), close)
    trimsNext = /\s-$/.test(action)
    if (trimsNext) action = action.slice(0, -1)
    if (!/^\s*\/\*.*\*\/\s*$/s.test(action)) pieces.push({ action: action.trim() })
    start = close + 2
  }
  return pieces
}

function endOfAction(text: string, from: number): number {
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const char = text[at]!
    if (quote !== '') {
      if (char === '\\' && quote !== '`') at++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === '`' || char === "'") quote = char
    else if (text.startsWith('}}', at)) return at
  }
  throw failure(text, 'unclosed action')
}

const tokenPattern =
  /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)+'|:=|[=|(),]|-?\d[\w.]*|\$?(?:\.?[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*|(?:\.[A-Za-z_]\w*)+|\$|\.)/y

function tokensOf(text: string, action: string): string[] {
  const tokens: string[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < action.length) {
    const from = tokenPattern.lastIndex
    const found = tokenPattern.exec(action)
    if (!found) throw failure(text, `unexpected ${JSON.stringify(action.slice(from).trim()[0] ?? '')} in operand`)
    // A field that touches a closing bracket belongs to it: `(index .items 0).metadata`.
    const touches = found[1]!.startsWith('.') && action[from] !== ' ' && tokens.at(-1) === ')'
    tokens.push(touches ? `\u0000${found[1]}` : found[1]!)
    if (action.slice(tokenPattern.lastIndex).trim() === '') break
  }
  return tokens
}

/** @throws UsageError in text/template's words */
export function parseGoTemplate(text: string, isFunction: (name: string) => boolean): Template {
  const pieces = piecesOf(text)
  const named = new Map<string, readonly Node[]>()
  let at = 0

  function list(within: string | undefined): { nodes: Node[]; end: string } {
    const nodes: Node[] = []
    for (; at < pieces.length;) {
      const piece = pieces[at++]!
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text })
        continue
      }
      const [word = '', ...rest] = tokensOf(text, piece.action)
      if (word === 'end' || word === 'else') {
        if (within === undefined) throw failure(text, `unexpected {{${word}}}`)
        return { nodes, end: piece.action }
      }
      const node = control(word, rest, piece.action)
      if (node) nodes.push(node)
    }
    if (within !== undefined) throw failure(text, 'unexpected EOF')
    return { nodes, end: '' }
  }

  function control(word: string, rest: readonly string[], action: string): Node | undefined {
    if (word === 'if' || word === 'with' || word === 'range') return branch(word, rest)
    if (word === 'break' || word === 'continue') return { kind: word }
    if (word === 'define' || word === 'block' || word === 'template') {
      const name = unquote(rest[0] ?? '')
      if (word !== 'template') named.set(name, list(word).nodes)
      if (word === 'define') return undefined
      return { kind: 'template', name, pipe: rest.length > 1 ? pipeOf(rest.slice(1)) : undefined }
    }
    return { kind: 'print', pipe: pipeOf(tokensOf(text, action)) }
  }

  function branch(kind: 'if' | 'with' | 'range', words: readonly string[]): Node {
    const pipe = pipeOf(words)
    const { nodes: body, end } = list(kind)
    if (!end.startsWith('else')) return { kind, pipe, body, otherwise: [] }
    const [, again, ...condition] = tokensOf(text, end)
    // `else if` is an if inside the else, and shares its end.
    if (again === 'if' || again === 'with') return { kind, pipe, body, otherwise: [branch(again, condition)] }
    return { kind, pipe, body, otherwise: list('else').nodes }
  }

  function pipeOf(tokens: readonly string[]): Pipe {
    const mark = tokens.findIndex((token) => token === ':=' || token === '=')
    const variables = mark < 0 ? [] : tokens.slice(0, mark).filter((token) => token !== ',')
    let place = mark + 1
    const commands: Operand[][] = []
    let command: Operand[] = []
    const operand = (token: string): Operand => {
      if (token === '(') return { kind: 'pipe', pipe: nested(), fields: [] }
      const [head = '', ...fields] = token.split('.')
      if (token.startsWith('$')) return { kind: 'variable', name: head, fields }
      if (token === '.') return { kind: 'dot', fields: [] }
      if (token.startsWith('.')) return { kind: 'dot', fields }
      if (/^["`']/.test(token)) return { kind: 'literal', value: unquote(token), fields: [] }
      if (/^-?\d/.test(token)) return { kind: 'literal', value: Number(token), fields: [] }
      if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true', fields: [] }
      if (token === 'nil') return { kind: 'nil', fields: [] }
      if (!isFunction(token)) throw failure(text, `function "${token}" not defined`)
      return { kind: 'function', name: token, fields: [] }
    }
    const nested = (): Pipe => {
      let depth = 1
      const from = place
      for (; place < tokens.length && depth > 0; place++)
        depth += tokens[place] === '(' ? 1 : tokens[place] === ')' ? -1 : 0
      if (depth > 0) throw failure(text, 'unclosed left paren')
      return pipeOf(tokens.slice(from, place - 1))
    }
    while (place < tokens.length) {
      const token = tokens[place++]!
      if (token === '|') {
        commands.push(command)
        command = []
      } else if (token.startsWith('\u0000')) {
        const before = command.pop()!
        command.push({ ...before, fields: [...before.fields, ...token.slice(2).split('.')] })
      } else if (token === ')') throw failure(text, 'unexpected right paren')
      else command.push(operand(token))
    }
    commands.push(command)
    if (commands.some((one) => one.length === 0)) throw failure(text, 'missing value for command')
    return { variables, assigns: tokens[mark] === '=', commands }
  }

  return { root: list(undefined).nodes, named }
}

function unquote(token: string): string {
  if (token.startsWith('`')) return token.slice(1, -1)
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }
  return token.slice(1, -1).replaceAll(/\\(.)/g, (_, char: string) => escapes[char] ?? char)
}
