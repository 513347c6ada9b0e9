/**
 * Brings Kubernetes' CEL to what the engine reads: message literals (`Object{spec: Object.spec{replicas: 3}}`,
 * `JSONPatch{op: "add"}`) become map literals, and `matches` our own, which runs on RE2 as the language says and so in
 * time linear in its input. Strings and comments are left alone. Pure.
 */
export function rewriteSource(source: string): string {
  let out = ''
  /** For each open brace: whether it opened a message, whose field names are to be quoted. */
  const open: ('message' | 'other')[] = []
  for (const token of tokens(source)) {
    const inMessage = open.at(-1) === 'message'
    if (messageStart.test(token)) {
      out += 'dyn({'
      open.push('message')
    } else if (token === '{' || token === '[' || token === '(') {
      out += token
      open.push('other')
    } else if (token === '}' || token === ']' || token === ')') {
      out += open.pop() === 'message' ? '})' : token
    } else if (inMessage && fieldName.test(token)) {
      const [, name = '', colon = ''] = token.match(fieldName)!
      out += `${JSON.stringify(name)}${colon}`
    } else {
      out += token === matchesMethod ? '.re2Matches(' : token === matchesFunction ? 're2Matches(' : token
      if (token === matchesMethod || token === matchesFunction) open.push('other')
    }
  }
  return out
}

const messageStart = /^(?:Object|JSONPatch)(?:\.\w+)*\s*\{$/
const fieldName = /^([A-Za-z_]\w*)(\s*:)$/
const matchesMethod = '.matches('
const matchesFunction = 'matches('

const tokenPattern = new RegExp(
  [
    /[rbRB]{0,2}"""[\s\S]*?"""/,
    /[rbRB]{0,2}'''[\s\S]*?'''/,
    /[rR][bB]?"[^"]*"|[rR][bB]?'[^']*'/,
    /[bB]?"(?:\\.|[^"\\])*"|[bB]?'(?:\\.|[^'\\])*'/,
    /\/\/[^\n]*/,
    /\b(?:Object|JSONPatch)(?:\.\w+)*\s*\{/,
    /\.matches\(/,
    /(?<![\w.])matches\(/,
    /[A-Za-z_]\w*\s*:/,
    /[A-Za-z_]\w*/,
    /[\s\S]/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
)

function tokens(source: string): string[] {
  return source.match(tokenPattern) ?? []
}
