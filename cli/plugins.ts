import { accessSync, constants, readdirSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'

/** Ours come first; those of kubectl speak to any cluster. */
const prefixes = ['stormo-', 'kubectl-'] as const

const directories = (env: NodeJS.ProcessEnv): string[] => [
  ...new Set((env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '')),
]

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface FoundPlugin {
  path: string
  args: string[]
}

/**
 * The program on the PATH that the words name, as kubectl finds its plugins: `stormo foo bar` is `stormo-foo-bar bar…` or
 * `stormo-foo bar`, the longest name first; dashes within a word are underscores in the name.
 */
export function findPlugin(argv: readonly string[], env: NodeJS.ProcessEnv): FoundPlugin | undefined {
  const firstFlag = argv.findIndex((word) => word.startsWith('-'))
  const words = (firstFlag < 0 ? argv : argv.slice(0, firstFlag)).map((word) => word.replaceAll('-', '_'))
  if (words.some((word) => word.includes('/'))) return undefined
  for (let length = words.length; length > 0; length--) {
    for (const prefix of prefixes) {
      const name = prefix + words.slice(0, length).join('-')
      const dir = directories(env).find((one) => isExecutable(join(one, name)))
      if (dir !== undefined) return { path: join(dir, name), args: argv.slice(length) }
    }
  }
  return undefined
}

export interface ListedPlugin {
  path: string
  warnings: string[]
}

/** Every plugin on the PATH, and what keeps one from being run. `builtIn` are the names of our own commands. */
export function listPlugins(env: NodeJS.ProcessEnv, builtIn: ReadonlySet<string>): ListedPlugin[] {
  const seen = new Map<string, string>()
  return directories(env)
    .flatMap((dir) => filesIn(dir).map((name) => join(dir, name)))
    .map((path) => {
      const name = basename(path)
      const earlier = seen.get(name)
      if (earlier === undefined) seen.set(name, path)
      const [, command = ''] = /^[^-]+-(.*)$/.exec(name) ?? []
      return {
        path,
        warnings: [
          ...(isExecutable(path) ? [] : [`${path} identified as a plugin, but it is not executable`]),
          ...(earlier === undefined ? [] : [`${path} is overshadowed by a similarly named plugin: ${earlier}`]),
          ...(builtIn.has(command.replaceAll('_', '-')) ? [`${name} overwrites existing command: "${command}"`] : []),
        ],
      }
    })
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => prefixes.some((prefix) => name.startsWith(prefix)))
      .toSorted()
  } catch {
    // A directory of the PATH need not be there.
    return []
  }
}
