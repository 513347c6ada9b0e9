import { exec } from '../../src/lib/exec.ts'
import { systemClock } from '../../src/lib/system.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { keptAlive } from '../kept-alive.ts'
import { settingOptions, settingsOf } from '../setting-options.ts'

export const resetCommand: CommandDefinition = {
  name: 'reset',
  summary: 'Remove every container, rule, link, mount and file of the agent from this machine',
  options: [
    ...settingOptions('dataDir', 'configDir', 'dockerSocket'),
    { flags: '--yes', summary: 'do it: what is removed does not come back' },
  ],
  async run(invocation) {
    const { resetMachine } = await import('../../src/agent/reset.ts')
    const { dataDir, configDir, dockerSocket } = settingsOf(invocation)
    if (!option.flag(invocation, 'yes'))
      throw new UsageError(
        `this removes everything below ${dataDir}, and every pod of this machine: add --yes to do it`,
      )
    const progress = (line: string): void => invocation.io.err(`${line}\n`)
    await keptAlive(() => resetMachine({ dataDir, configDir, dockerSocket, exec, clock: systemClock, progress }))
    progress('Nothing of the agent is left on this machine.')
  },
}
