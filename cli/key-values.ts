import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { UsageError } from './command.ts'

/** `a=b,c=d` (and the same of several options) as a map. */
export function parsePairs(texts: readonly string[], flag: string): Record<string, string> {
  const pairs = texts.flatMap((text) => text.split(',')).filter((pair) => pair !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at <= 0) throw new UsageError(`invalid ${flag} value "${pair}": must be key=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

const keyPattern = /^[-._a-zA-Z0-9]{1,253}$/

/** Keys and bytes of --from-literal, --from-file and --from-env-file, as `create configmap` and `create secret` take them. */
export function readData(sources: {
  literals: readonly string[]
  files: readonly string[]
  envFiles: readonly string[]
}): Map<string, Buffer> {
  if (sources.envFiles.length > 0 && sources.literals.length + sources.files.length > 0)
    throw new UsageError('from-env-file cannot be combined with from-file or from-literal')
  const data = new Map<string, Buffer>()
  const add = (key: string, value: Buffer): void => {
    if (!keyPattern.test(key) || key === '.' || key === '..')
      throw new UsageError(
        `"${key}" is not a valid key name: a valid config key must consist of alphanumeric characters, '-', '_' or '.'`,
      )
    if (data.has(key)) throw new UsageError(`cannot add key "${key}", another key by that name already exists`)
    data.set(key, value)
  }
  for (const source of sources.files) for (const [key, path] of filesOf(source)) add(key, readFileSync(path))
  for (const literal of sources.literals) {
    const at = literal.indexOf('=')
    if (at <= 0) throw new UsageError(`invalid literal source ${literal}, expected key=value`)
    add(literal.slice(0, at), Buffer.from(unquoted(literal.slice(at + 1))))
  }
  for (const path of sources.envFiles)
    for (const [key, value] of parseEnvFile(readText(path))) add(key, Buffer.from(value))
  return data
}

const unquoted = (text: string): string => /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text

/** `path`, `key=path`, or a directory's files. */
function filesOf(source: string): [string, string][] {
  const at = source.indexOf('=')
  if (at === 0) throw new UsageError(`key name for file path ${source.slice(1)} missing`)
  const path = at < 0 ? source : source.slice(at + 1)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw new UsageError(`error reading ${path}: no such file or directory`)
  if (!stat.isDirectory()) return [[at < 0 ? basename(path) : source.slice(0, at), path]]
  if (at > 0) throw new UsageError(`cannot give a key name for a directory path`)
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && keyPattern.test(entry.name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((entry) => [entry.name, join(path, entry.name)])
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`error reading ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Lines of `KEY=value`; `#` begins a comment; a bare `KEY` takes its value from our own environment. */
export function parseEnvFile(text: string, env: NodeJS.ProcessEnv = process.env): [string, string][] {
  return text.split('\n').flatMap((line, index): [string, string][] => {
    const trimmed = line.replace(/\r$/, '').trimStart()
    if (trimmed === '' || trimmed.startsWith('#')) return []
    const at = trimmed.indexOf('=')
    const key = at < 0 ? trimmed : trimmed.slice(0, at)
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(key))
      throw new UsageError(`line ${index + 1}: "${key}" is not a valid environment variable name`)
    return [[key, at < 0 ? (env[key] ?? '') : trimmed.slice(at + 1)]]
  })
}
