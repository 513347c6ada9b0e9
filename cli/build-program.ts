import { Command, InvalidArgumentError, Option } from 'commander'
import type { CommandDefinition, Io, OptionDefinition } from './command.ts'

/** commander's tree from our definitions. `finish` gets each command's exit code. */
export function buildProgram(definition: CommandDefinition, io: Io, finish: (exitCode: number) => void): Command {
  const command = new Command(definition.name)
  command.description(definition.summary)
  command.configureOutput({ writeOut: io.out, writeErr: io.err })
  command.enablePositionalOptions()
  command.exitOverride()
  if (definition.arguments) command.arguments(definition.arguments)
  if (definition.aliases) command.aliases([...definition.aliases])
  if (definition.examples) command.addHelpText('after', `\n${definition.examples}`)
  if (definition.passThrough) command.passThroughOptions()
  for (const option of definition.options ?? []) command.addOption(buildOption(option))
  for (const child of definition.commands ?? [])
    command.addCommand(buildProgram(child, io, finish), { hidden: child.hidden ?? false })
  const { run } = definition
  if (run) {
    command.action(async () => {
      finish((await run({ args: command.args, options: command.optsWithGlobals(), io })) ?? 0)
    })
  }
  return command
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
  return option
}
