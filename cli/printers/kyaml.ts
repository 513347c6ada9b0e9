/**
 * KYAML (KEP-5295): the part of YAML that says its types. Flow style, strings in double quotes, keys without quotes
 * where they can be nothing else than text.
 */
export const toKyaml = (value: unknown): string => `---\n${render(value, '')}\n`

const step = '  '

function render(value: unknown, indent: string): string {
  if (Array.isArray(value)) return list(value, indent)
  if (typeof value === 'object' && value !== null) return map(value, indent)
  return typeof value === 'string' ? text(value, indent) : String(value)
}

function map(value: object, indent: string): string {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  if (entries.length === 0) return '{}'
  const inner = indent + step
  const lines = entries.map(([key, one]) => `${inner}${keyText(key)}: ${render(one, inner)},\n`)
  return `{\n${lines.join('')}${indent}}`
}

/** Brackets of maps and lists in a list stand together, so that it is no deeper than what it holds. */
function list(items: readonly unknown[], indent: string): string {
  if (items.length === 0) return '[]'
  if (items.every((one) => typeof one === 'object' && one !== null))
    return `[${items.map((one) => render(one, indent)).join(', ')}]`
  const inner = indent + step
  return `[\n${items.map((one) => `${inner}${render(one, inner)},\n`).join('')}${indent}]`
}

/** What some reader of YAML may take for something else than text: numbers of all kinds, times, truths, null. */
const ambiguous =
  /^(?:[-+]?[\d._]*(?:e[-+]?\d+)?|0[box][\da-f_]+|[\d:]+|\d{4}-\d\d?-\d\d?.*|y|n|yes|no|on|off|true|false|null|nan|inf|\.nan|\.inf)$/i
/** Dots and digits alone are a version, not a number, from the second dot on. */
const version = /^\d+(?:\.\d+){2,}$/

const keyText = (key: string): string =>
  /^\w[\w./-]*$/.test(key) && (version.test(key) || !ambiguous.test(key)) ? key : text(key, '', false)

/** Of several lines each stands on its own, the spaces at its beginning behind a backslash. */
function text(value: string, indent: string, mayFold = true): string {
  if (!mayFold || !value.includes('\n')) return `"${escaped(value)}"`
  const inner = indent + step
  const lines = value.split('\n')
  const last = lines.pop()!
  const line = (one: string): string => `${inner}${/^[ \t]/.test(one) ? '\\' : ' '}${escaped(one)}`
  return `"\\\n${lines.map((one) => `${line(one)}\\n\\\n`).join('')}${last === '' ? '' : `${line(last)}\\\n`}${inner}"`
}

const named: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\0': '\\0',
  '\u0007': '\\a',
  '\b': '\\b',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001B': '\\e',
  '\u0085': '\\N',
  '\u00A0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
}

const escaped = (value: string): string =>
  value.replaceAll(
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    /["\\\u0000-\u0008\u000A-\u001F\u007F-\u00A0\u2028\u2029]/g,
    (char) => named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  )
