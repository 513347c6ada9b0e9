import { pipeline } from 'node:stream/promises'
import { systemClock } from '../../src/lib/system.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { placeOptions, settingOptions, settingsOf } from '../setting-options.ts'

/** A cluster of 50,000 objects takes seconds; a slow link takes longer. */
const backupTimeoutMs = 30 * 60_000

export const backupCommand: CommandDefinition = {
  name: 'backup',
  summary: 'Write a backup of the cluster, as the node that is asked knows it, to standard output',
  examples: '  stormo backup > cluster.backup\n\nThe backup holds the keys of the cluster: guard it as you guard them.',
  options: connectionOptions,
  async run(invocation) {
    if (invocation.io.stdout.isTTY)
      throw new UsageError('a backup is no text: send it to a file, as in stormo backup > cluster.backup')
    await withClient(invocation, async (client) => {
      const answer = await client.stream({ path: '/stormo/v1/backup', timeoutMs: backupTimeoutMs })
      await pipeline(answer, invocation.io.stdout, { end: false, signal: invocation.io.signal })
    })
  },
}

export const restoreCommand: CommandDefinition = {
  name: 'restore',
  arguments: '<file>',
  summary: 'Make a new cluster from a backup, with this machine as its first member',
  examples: '  stormo restore cluster.backup && stormo agent',
  options: placeOptions,
  async run(invocation) {
    const { restoreBackup } = await import('../../src/agent/backup/restore.ts')
    const [file = ''] = invocation.args
    const progress = (line: string): void => invocation.io.err(`${line}\n`)
    const { documents } = await restoreBackup(settingsOf(invocation), file, progress)
    progress(
      `${documents} objects restored. Start this machine with 'stormo agent', then 'stormo token create' lets others join.`,
    )
  },
}

export const recoverCommand: CommandDefinition = {
  name: 'recover',
  summary: 'Let this machine go on as the only voter, after most voters are gone for good',
  examples:
    '  stormo recover --force\n\nStop the agent first, and run it on ONE node. What the lost majority decided and never told this node is lost.',
  options: [
    ...settingOptions('dataDir'),
    { flags: '--force', summary: 'do it: what the lost voters knew alone is void' },
  ],
  async run(invocation) {
    const { recoverCluster } = await import('../../src/agent/recover.ts')
    const { dataDir } = settingsOf(invocation)
    if (!option.flag(invocation, 'force'))
      throw new UsageError(
        'this raises the cluster to a new generation with this machine as its only voter, and what the others decided alone is void: ' +
          'be sure that they are gone for good, then add --force',
      )
    const { generation, index, members } = await recoverCluster({ dataDir, clock: systemClock })
    invocation.io.err(
      `Generation ${generation} of the cluster begins at entry ${index}, with this machine as its only voter.\n` +
        `Members: ${members.join(', ')}. Start this machine with 'stormo agent', and take those that will not come back out of the cluster.\n`,
    )
  },
}
