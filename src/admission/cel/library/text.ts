import type { Environment } from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'

/** Patterns come with the policy, so a few of them are used again and again; bounded all the same. */
const compiled = new Map<string, RE2JS>()
const maxCompiled = 256

function pattern(text: string): RE2JS {
  const known = compiled.get(text)
  if (known) return known
  if (compiled.size >= maxCompiled) compiled.clear()
  const made = RE2JS.compile(text)
  compiled.set(text, made)
  return made
}

const matches = (text: string, regex: string): boolean => pattern(regex).matcher(text).find()

function findAll(text: string, regex: string, limit = -1n): string[] {
  const matcher = pattern(regex).matcher(text)
  const found: string[] = []
  const most = limit < 0n ? Infinity : Number(limit)
  while (found.length < most && matcher.find()) found.push(matcher.group() ?? '')
  return found
}

/** `"%s is %d".format([a, 1])` of the strings extension. */
function format(template: string, values: readonly unknown[]): string {
  let next = 0
  return template.replaceAll(
    /%(%|(?:\.(\d+))?([sdfebxXo]))/g,
    (all, escape: string, precision: string, verb: string) => {
      if (escape === '%') return '%'
      if (next >= values.length) throw new Error(`index ${next} out of range`)
      return formatOne(values[next++], verb, precision === undefined ? 6 : Number(precision), all)
    },
  )
}

function formatOne(value: unknown, verb: string, precision: number, all: string): string {
  const number = typeof value === 'bigint' || typeof value === 'number' ? value : undefined
  switch (verb) {
    case 's':
      return textOf(value)
    case 'd':
      return String(value)
    case 'f':
      return Number(value).toFixed(precision)
    case 'e':
      return Number(value).toExponential(precision)
    case 'b':
      return typeof value === 'boolean' ? (value ? '1' : '0') : (number ?? 0).toString(2)
    case 'o':
      return (number ?? 0).toString(8)
    case 'x':
    case 'X': {
      const hex = number === undefined ? Buffer.from(String(value)).toString('hex') : number.toString(16)
      return verb === 'X' ? hex.toUpperCase() : hex
    }
    default:
      throw new Error(`unrecognized formatting clause ${JSON.stringify(all)}`)
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z')
  if (value === null || typeof value !== 'object') return String(value)
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}: ${textOf(item)}`)
    .join(', ')}}`
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit < 0n) return text.replaceAll(from, () => to)
  let rest = text
  let out = ''
  for (let left = limit; left > 0n; left--) {
    const at = rest.indexOf(from)
    if (at < 0) break
    out += rest.slice(0, at) + to
    rest = rest.slice(at + from.length)
  }
  return out + rest
}

/** The regex functions of Kubernetes' CEL (RE2, linear time) and those of the strings extension that the engine lacks. */
export function registerText(env: Environment): void {
  env
    .registerFunction('string.re2Matches(string): bool', matches)
    .registerFunction('re2Matches(string, string): bool', matches)
    .registerFunction('string.find(string): string', (text: string, regex: string) => findAll(text, regex, 1n)[0] ?? '')
    .registerFunction('string.findAll(string): list<string>', (text: string, regex: string) => findAll(text, regex))
    .registerFunction('string.findAll(string, int): list<string>', findAll)
    .registerFunction('string.charAt(int): string', (text: string, index: bigint) => text.charAt(Number(index)))
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      replace(text, from, to),
    )
    .registerFunction('string.replace(string, string, int): string', replace)
    .registerFunction('string.reverse(): string', (text: string) => [...text].toReversed().join(''))
    .registerFunction('string.format(list): string', format)
}
