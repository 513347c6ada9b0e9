import type { CommandDefinition, OptionDefinition } from './command.ts'

export interface PreparedArguments {
  argv: string[]
  /** What stands after the first `--`, for commands that run another program; empty for all others. */
  rest: string[]
}

/**
 * Brings kubectl's ways of writing options into those that commander reads: `--wait=false`, `--watch=true`, `-o=yaml`;
 * and cuts off what is meant for another program (`exec web -- ls -l`).
 */
export function prepareArguments(root: CommandDefinition, argv: readonly string[]): PreparedArguments {
  const cut = argv.indexOf('--')
  const head = cut < 0 ? argv : argv.slice(0, cut)
  const { command, options } = resolveCommand(root, head)
  if (command.passThrough) return { argv: [...head], rest: cut < 0 ? [] : argv.slice(cut + 1) }
  const normalized = head.flatMap((token) => normalizeToken(token, options))
  if (cut < 0) return { argv: normalized, rest: [] }
  if (command.takesRest) return { argv: normalized, rest: argv.slice(cut + 1) }
  return { argv: [...normalized, ...argv.slice(cut)], rest: [] }
}

/** The first word that is no option of the root's: the name of the command that will run. */
export function commandWord(root: Pick<CommandDefinition, 'options'>, argv: readonly string[]): string | undefined {
  for (let at = 0; at < argv.length; at++) {
    const token = argv[at]!
    if (!token.startsWith('-')) return token
    if (token === '--') return undefined
    if (takesNext(token, root.options ?? [])) at++
  }
  return undefined
}

/** Follows the words of `argv` down the tree, stepping over options and their values. */
function resolveCommand(
  root: CommandDefinition,
  argv: readonly string[],
): { command: CommandDefinition; options: readonly OptionDefinition[] } {
  let command = root
  let options: readonly OptionDefinition[] = root.options ?? []
  for (let at = 0; at < argv.length; at++) {
    const token = argv[at]!
    if (token.startsWith('-')) {
      if (takesNext(token, options)) at++
      continue
    }
    const child = command.commands?.find((one) => one.name === token || one.aliases?.includes(token))
    if (!child) break
    command = child
    options = [...options, ...(child.options ?? [])]
  }
  return { command, options }
}

const isNamed = (option: OptionDefinition, flag: string): boolean =>
  option.flags
    .split(/[ ,|]+/)
    .filter((part) => part.startsWith('-'))
    .includes(flag)

const takesValue = (option: OptionDefinition): boolean => option.flags.includes('<')

function takesNext(token: string, options: readonly OptionDefinition[]): boolean {
  const option = options.find((one) => isNamed(one, token))
  return option !== undefined && takesValue(option)
}

function normalizeToken(token: string, options: readonly OptionDefinition[]): string[] {
  const short = /^(-[A-Za-z])=(.*)$/s.exec(token)
  if (short) return options.some((one) => isNamed(one, short[1]!) && takesValue(one)) ? [short[1]!, short[2]!] : [token]
  const long = /^(--[a-z][-a-z0-9]*)=(true|false)$/.exec(token)
  if (long) return normalizeSwitch(token, long[1]!, long[2] === 'true', options)
  const isOn = /^--[a-z]/.test(token) && !options.some((one) => isNamed(one, token)) && hasNegation(token, options)
  return isOn ? [] : [token]
}

const hasNegation = (flag: string, options: readonly OptionDefinition[]): boolean =>
  options.some((one) => isNamed(one, `--no-${flag.slice(2)}`))

function normalizeSwitch(token: string, flag: string, on: boolean, options: readonly OptionDefinition[]): string[] {
  if (!on && hasNegation(flag, options)) return [`--no-${flag.slice(2)}`]
  const own = options.find((one) => isNamed(one, flag))
  if (own) return takesValue(own) ? [token] : on ? [flag] : []
  if (hasNegation(flag, options)) return []
  return [token]
}
