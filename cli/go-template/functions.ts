/** Functions of Go's text/template, and those that kubectl adds (exists, base64decode). Each throws an Error in Go's words. */
type TemplateFunction = (...args: unknown[]) => unknown

/** Go's notion of an empty value. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return Boolean(value)
}

/** As Go's fmt prints a value with %v. */
export function goText(value: unknown): string {
  if (value === undefined || value === null) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`
  if (typeof value === 'object')
    return `map[${Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => `${key}:${goText(one)}`)
      .join(' ')}]`
  return String(value)
}

function index(from: unknown, ...keys: unknown[]): unknown {
  let value = from
  for (const key of keys) {
    if (Array.isArray(value)) {
      const at = Number(key)
      if (!(at >= 0 && at < value.length)) throw new Error('error calling index: reflect: slice index out of range')
      value = value[at]
    } else if (typeof value === 'object' && value !== null)
      value = Object.hasOwn(value, String(key)) ? (value as Record<string, unknown>)[String(key)] : undefined
    else throw new Error("error calling index: can't index item of type " + typeof value)
  }
  return value
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.length
  if (typeof value === 'object' && value !== null) return Object.keys(value).length
  throw new Error('error calling len: len of nil pointer')
}

function exists(from: unknown, ...keys: unknown[]): boolean {
  let value = from
  for (const key of keys) {
    if (typeof value !== 'object' || value === null) return false
    value = (value as Record<string, unknown>)[String(key)]
    if (value === undefined) return false
  }
  return true
}

const compared =
  (holds: (a: string | number, b: string | number) => boolean): TemplateFunction =>
  (a, b) => {
    if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string'))
      throw new Error('error calling comparison: incompatible types for comparison')
    return holds(a, b as string | number)
  }

/** Go's verbs as far as templates use them: %s %d %v %q %t %f %x, widths, precisions, %%. */
function printf(format: unknown, ...args: unknown[]): string {
  let next = 0
  return String(format).replaceAll(
    /%([-0]*)(\d*)(?:\.(\d+))?([sdvqtfxX%])/g,
    (_, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      const value = args[next++]
      const text =
        verb === 'q'
          ? JSON.stringify(goText(value))
          : verb === 'f'
            ? Number(value).toFixed(precision === undefined ? 6 : Number(precision))
            : verb.toLowerCase() === 'x' && typeof value === 'number'
              ? value.toString(16)
              : precision === undefined
                ? goText(value)
                : goText(value).slice(0, Number(precision))
      return flags.includes('-')
        ? text.padEnd(Number(width))
        : text.padStart(Number(width), flags.includes('0') ? '0' : ' ')
    },
  )
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
}

/** `and` and `or` are not here: they leave out what they need not know. */
export const functions: Readonly<Record<string, TemplateFunction>> = {
  not: (value) => !isTrue(value),
  len: length,
  index,
  slice: (value, from = 0, to = undefined) =>
    (value as string | unknown[]).slice(Number(from), to === undefined ? undefined : Number(to)),
  print: (...args) => args.map(goText).join(''),
  println: (...args) => `${args.map(goText).join(' ')}\n`,
  printf,
  eq: (a, ...others) => others.some((b) => a === b),
  ne: (a, b) => a !== b,
  lt: compared((a, b) => a < b),
  le: compared((a, b) => a <= b),
  gt: compared((a, b) => a > b),
  ge: compared((a, b) => a >= b),
  html: (...args) =>
    args
      .map(goText)
      .join('')
      .replaceAll(/[&<>"']/g, (char) => htmlEscapes[char]!),
  js: (...args) => JSON.stringify(args.map(goText).join('')).slice(1, -1),
  urlquery: (...args) => encodeURIComponent(args.map(goText).join('')),
  exists,
  base64decode: (text) => Buffer.from(String(text), 'base64').toString('utf8'),
}
