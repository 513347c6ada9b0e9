import { Command, InvalidArgumentError, Option } from 'commander'
import type { CommandDefinition, Io, OptionDefinition } from './command.ts'

export interface ProgramOptions {
  io: Io
  /** What stood after `--`, for commands that run another program. */
  rest: readonly string[]
  /** Gets the exit code of the command that ran. */
  finish(exitCode: number): void
}

/**
 * commander's tree from our definitions; `above` are the names of the commands that it stands under, `global` the options
 * of the root, which may stand behind every one of them: `stormo rollout -n web status`.
 */
export function buildProgram(
  definition: CommandDefinition,
  options: ProgramOptions,
  above: readonly string[] = [],
  global: readonly OptionDefinition[] = definition.options ?? [],
): Command {
  const { io, rest, finish } = options
  const path = [...above, definition.name]
  const command = new Command(definition.name)
  command.description(definition.summary)
  command.configureOutput({
    writeOut: io.out,
    writeErr: io.err,
    outputError: (text, write) => write(inKubectlsWords(text)),
  })
  command.enablePositionalOptions()
  command.exitOverride()
  command.showHelpAfterError(`See '${path.join(' ')} --help' for usage.`)
  if (definition.arguments) command.arguments(definition.arguments)
  if (definition.aliases) command.aliases([...definition.aliases])
  if (definition.examples) command.addHelpText('after', `\n${definition.examples}`)
  if (definition.group) command.helpGroup(definition.group)
  if (definition.passThrough) command.passThroughOptions().allowUnknownOption().helpOption(false)
  for (const one of definition.options ?? []) command.addOption(buildOption(one))
  if (definition.commands && above.length > 0)
    for (const one of global.filter((candidate) => !isDefined(command, candidate)))
      command.addOption(buildOption({ ...one, hidden: true }))
  for (const child of definition.commands ?? [])
    command.addCommand(buildProgram(child, options, path, global), { hidden: child.hidden ?? false })
  const { run } = definition
  if (run) {
    command.action(async () => {
      finish((await run({ args: command.args, rest, options: mergedOptions(command), io })) ?? 0)
    })
  }
  return command
}

/** Scripts and people know kubectl's messages. */
const inKubectlsWords = (text: string): string =>
  text
    .replace(/^error: unknown option '(--[^=']+)[^']*'/, 'error: unknown flag: $1')
    .replace(/^error: unknown option '-(.)([^']*)'/, "error: unknown shorthand flag: '$1' in -$1$2")
    .replace(/^error: option '(?:(-.), )?(--[-a-z]+)[^']*' argument missing/, 'error: flag needs an argument: $2')

/**
 * Options of a command and of those above it. What was typed wins over defaults, and what stands nearer to the command
 * over what stands before it; commander's own merging lets a parent's default hide what was typed.
 */
function mergedOptions(command: Command): Record<string, unknown> {
  const chain: Command[] = []
  for (let one: Command | null = command; one !== null; one = one.parent) chain.unshift(one)
  const isDefault = (one: Command, key: string): boolean => one.getOptionValueSource(key) === 'default'
  const pick = (wantDefault: boolean): [string, unknown][] =>
    chain.flatMap((one) => Object.entries(one.opts()).filter(([key]) => isDefault(one, key) === wantDefault))
  return Object.fromEntries([...pick(true), ...pick(false)])
}

/** Whether the command has an option of the same long or short name already. */
function isDefined(command: Command, { flags }: OptionDefinition): boolean {
  const names = flags.split(/[ ,]+/)
  return command.options.some(({ long, short }) => names.includes(long ?? '') || names.includes(short ?? ''))
}

function buildOption(definition: OptionDefinition): Option {
  const option = new Option(definition.flags, definition.summary)
  if (definition.repeatable) {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value])
  } else if (definition.integer) {
    option.argParser((value: string) => {
      if (!/^-?\d+$/.test(value)) throw new InvalidArgumentError('it must be a whole number.')
      return Number(value)
    })
  }
  if (definition.default !== undefined) option.default(definition.default)
  if (definition.hidden) option.hideHelp()
  return option
}
