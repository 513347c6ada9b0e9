import { createInterface } from 'node:readline/promises'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type Deleted, deleteObject, deletionOptions, type Doomed, waitUntilGone } from '../delete-objects.ts'
import { displayName } from '../discovery.ts'
import { manifestSources } from '../manifests.ts'
import { reportError } from '../report-error.ts'
import { selectionOptions, selectObjects } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'
import { dryRunOf, dryRunSuffix } from '../write-options.ts'

export const deleteCommand: CommandDefinition = {
  name: 'delete',
  arguments: '[type] [name...]',
  summary: 'Delete objects by file, name, label or all of a type',
  options: [
    ...namespaceOptions,
    ...selectionOptions,
    ...deletionOptions,
    { flags: '--now', summary: 'as --grace-period=1' },
    { flags: '--force', summary: 'at once, without waiting for the node to say that it ended' },
    { flags: '-i, --interactive', summary: 'ask before anything is deleted' },
    { flags: '--ignore-not-found', summary: 'an object that is not there is no error' },
    { flags: '--dry-run <how>', summary: 'none, client or server', default: 'none' },
    { flags: '-o, --output <format>', summary: 'name' },
    { flags: '--raw <path>', summary: 'delete what this path names, and print what the server answers' },
  ],
  run: (invocation) => withClient(invocation, (client) => remove(invocation, client)),
}

async function remove(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  checkOptions(invocation)
  const raw = option.text(invocation, 'raw')
  if (raw !== undefined) {
    io.out((await client.send({ method: 'DELETE', path: raw })).text)
    return 0
  }
  const selected = await selectObjects(invocation, client, { needExist: false })
  // The last made goes first: a namespace or a definition would take along what is still to be named.
  const doomed = manifestSources(invocation).length > 0 ? selected.toReversed() : selected
  if (doomed.length === 0) io.err('No resources found\n')
  if (!(await isConfirmed(invocation, doomed))) {
    io.out('deletion is cancelled\n')
    return 0
  }
  const how = dryRunOf(invocation)
  const isForced = option.flag(invocation, 'force')
  const defaultGraceSeconds = isForced ? 0 : option.flag(invocation, 'now') ? 1 : undefined
  let failed = false
  const gone: Deleted[] = []
  for (const one of doomed) {
    try {
      const isDryRun = how === 'server'
      const uid =
        how === 'client' ? undefined : await deleteObject(invocation, client, one, { defaultGraceSeconds, isDryRun })
      say(invocation, one, `${isForced ? 'force deleted' : 'deleted'}${dryRunSuffix(how)}`)
      if (uid && how === 'none') gone.push({ ...one, uid })
    } catch (error) {
      if (isStatus(error, 'NotFound') && option.flag(invocation, 'ignoreNotFound')) continue
      failed = true
      reportError(io, error)
    }
  }
  if (invocation.options['wait'] !== false) await waitUntilGone(invocation, client, gone)
  return failed ? 1 : 0
}

function checkOptions(invocation: Invocation): void {
  const output = option.text(invocation, 'output')
  if (output !== undefined && output !== 'name')
    throw new UsageError(`unexpected -o output mode: ${output}. We only support '-o name'`)
  const isForced = option.flag(invocation, 'force')
  if (option.flag(invocation, 'now') && option.integer(invocation, 'gracePeriod') !== undefined)
    throw new UsageError('--now and --grace-period cannot be specified together')
  if (isForced && (option.integer(invocation, 'gracePeriod') ?? 0) > 0)
    throw new UsageError('--force and --grace-period greater than 0 cannot be specified together')
  if (isForced || option.integer(invocation, 'gracePeriod') === 0)
    invocation.io.err(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n',
    )
}

function say(invocation: Invocation, { resource, name }: Doomed, done: string): void {
  const type = resource.group ? `${resource.singular}.${resource.group}` : resource.singular
  const isName = option.text(invocation, 'output') === 'name'
  invocation.io.out(isName ? `${displayName(resource, name)}\n` : `${type} "${name}" ${done}\n`)
}

/** With -i the user has to say yes; anything else is a no. */
async function isConfirmed(invocation: Invocation, doomed: readonly Doomed[]): Promise<boolean> {
  const { io } = invocation
  if (!option.flag(invocation, 'interactive') || doomed.length === 0) return true
  io.out(`You are about to delete the following ${doomed.length} resource(s):\n`)
  for (const { resource, name } of doomed) io.out(`${displayName(resource, name)}\n`)
  const lines = createInterface({ input: io.stdin, output: io.stdout, terminal: false })
  try {
    const answer = await lines.question('Do you want to continue? (y/N): ', { signal: io.signal })
    return /^(?:y|yes)$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
