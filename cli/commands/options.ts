import { type CommandDefinition } from '../command.ts'
import { globalOptions } from '../connection-options.ts'
import { printTable } from '../printers/table.ts'

export const optionsCommand: CommandDefinition = {
  name: 'options',
  summary: 'List the options that every command takes',
  async run({ io }) {
    io.out('The following options can be passed to any command:\n\n')
    io.out(
      printTable(
        [],
        globalOptions.map(({ flags, summary }) => [
          `    ${flags.startsWith('-') && !flags.startsWith('--') ? flags : `    ${flags}`}`,
          summary,
        ]),
      ),
    )
  },
}
