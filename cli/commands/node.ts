import type { Node } from '../../src/api/kinds.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { durationMs } from '../durations.ts'
import { drainNode } from '../drain-node.ts'
import { patchObjects, type PatchVerb } from '../patch-objects.ts'
import { selectObjects } from '../select-objects.ts'
import { dryRunOf, dryRunSuffix } from '../write-options.ts'

const nodeOptions: readonly OptionDefinition[] = [
  ...connectionOptions,
  { flags: '-l, --selector <selector>', summary: 'nodes with these labels' },
  { flags: '--dry-run <how>', summary: 'none, client or server', default: 'none' },
]

/** `cordon a b` is about nodes, whatever they are called. */
function aboutNodes(invocation: Invocation): Invocation {
  const names = invocation.args.map((arg) => arg.replace(/^(?:nodes?|no)\//, ''))
  if (names.length === 0 && option.text(invocation, 'selector') === undefined)
    throw new UsageError(`name the nodes, or give a selector`)
  return { ...invocation, args: ['nodes', ...names] }
}

const cordon = (name: 'cordon' | 'uncordon'): PatchVerb => ({
  patchOf: (object) =>
    ((object as Node).spec?.unschedulable ?? false) === (name === 'cordon')
      ? undefined
      : { type: 'merge', body: { spec: { unschedulable: name === 'cordon' || null } } },
  said: ({ isSame }) => (isSame ? `already ${name}ed` : `${name}ed`),
})

const cordonVerb = (name: 'cordon' | 'uncordon', summary: string): CommandDefinition => ({
  name,
  arguments: '[node...]',
  summary,
  options: nodeOptions,
  run: (invocation) => patchObjects(aboutNodes(invocation), cordon(name)),
})

export const cordonCommand = cordonVerb('cordon', 'Let no new pods come to a node')
export const uncordonCommand = cordonVerb('uncordon', 'Let pods come to a node again')

export const drainCommand: CommandDefinition = {
  name: 'drain',
  arguments: '[node...]',
  summary: 'Move the pods of a node elsewhere, to work on it',
  options: [
    ...nodeOptions,
    { flags: '--ignore-daemonsets', summary: 'leave pods of DaemonSets where they are' },
    { flags: '--delete-emptydir-data', summary: 'also pods whose emptyDir data will be lost' },
    { flags: '--force', summary: 'also pods that no controller will make anew' },
    {
      flags: '--grace-period <seconds>',
      summary: 'seconds that pods get to end; negative: their own',
      integer: true,
      default: -1,
    },
    { flags: '--timeout <duration>', summary: 'give up after this; 0: never', default: '0s' },
    { flags: '--pod-selector <selector>', summary: 'only pods with these labels' },
    { flags: '--disable-eviction', summary: 'delete instead of evicting: disruption budgets do not count' },
    {
      flags: '--skip-wait-for-delete-timeout <seconds>',
      summary: 'do not wait for pods that have been ending for so long; 0: wait for all',
      integer: true,
      default: 0,
    },
    { flags: '--chunk-size <count>', summary: 'how many to ask for at a time', integer: true },
  ],
  run: (invocation) => drainNodes(aboutNodes(invocation)),
}

async function drainNodes(invocation: Invocation): Promise<number> {
  const cordoned = await patchObjects(invocation, cordon('cordon'))
  if (cordoned !== 0) return cordoned
  const { io } = invocation
  const timeoutMs = durationMs(invocation, 'timeout') ?? 0
  const deadline = {
    atMs: timeoutMs > 0 ? Date.now() + timeoutMs : Infinity,
    text: option.text(invocation, 'timeout') ?? '',
  }
  const failures: string[] = []
  const pending: string[] = []
  await withClient(invocation, async (client) => {
    for (const { name } of await selectObjects(invocation, client, { needExist: false })) {
      try {
        await drainNode(invocation, client, name, deadline)
        io.out(`node/${name} drained${dryRunSuffix(dryRunOf(invocation))}\n`)
      } catch (error) {
        io.signal.throwIfAborted()
        const said = error instanceof Error ? error.message : String(error)
        io.err(`error: unable to drain node "${name}" due to error: ${said}, continuing command...\n`)
        failures.push(said)
        pending.push(name)
      }
    }
  })
  if (pending.length === 0) return 0
  io.err(`There are pending nodes to be drained:\n${pending.map((name) => ` ${name}\n`).join('')}`)
  io.err(`${failures.join('\n')}\n`)
  return 1
}
