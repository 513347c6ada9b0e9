import { basename } from 'node:path'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { listPlugins } from '../plugins.ts'
import { commandNames } from './root.ts'

export const pluginCommand: CommandDefinition = {
  name: 'plugin',
  summary: 'Programs on the PATH that are commands too: stormo-<name> and kubectl-<name>',
  commands: [
    {
      name: 'list',
      summary: 'List them',
      options: [{ flags: '--name-only', summary: 'without the directory' }],
      async run(invocation) {
        const { io } = invocation
        const plugins = listPlugins(io.env, commandNames)
        if (plugins.length === 0) throw new UsageError('unable to find any stormo or kubectl plugins in your PATH')
        io.out('The following compatible plugins are available:\n\n')
        for (const { path, warnings } of plugins) {
          io.out(`${option.flag(invocation, 'nameOnly') ? basename(path) : path}\n`)
          for (const warning of warnings) io.err(`  - warning: ${warning}\n`)
        }
        const count = plugins.reduce((sum, { warnings }) => sum + warnings.length, 0)
        if (count > 0)
          throw new UsageError(count === 1 ? 'one plugin warning was found' : `${count} plugin warnings were found`)
      },
    },
  ],
}
