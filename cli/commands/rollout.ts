import type { Deployment } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { type ApiResource, displayName, pathOf } from '../discovery.ts'
import { eachObject, patchObjects, patchOptions, type PatchVerb, sendPatch } from '../patch-objects.ts'
import { alignTabs } from '../printers/align.ts'
import { templateLines } from '../printers/describe/pod.ts'
import { outputOf, printAsAsked } from '../output-format.ts'
import { printTable } from '../printers/table.ts'
import { revisionsOf, type Revision, rollbackPatch } from '../rollout/revisions.ts'
import { followRollout, rolloutDeadline } from '../rollout/status.ts'
import { type SelectedObject, selectObjects } from '../select-objects.ts'
import { dryRunOf, dryRunSuffix } from '../write-options.ts'

const workloads = ['deployments', 'statefulsets', 'daemonsets']

function rolloutVerb(
  name: string,
  summary: string,
  options: readonly OptionDefinition[],
  run: (invocation: Invocation) => Promise<number>,
): CommandDefinition {
  return {
    name,
    arguments: '[type/name...]',
    summary,
    options: [...patchOptions, ...options],
    run(invocation) {
      const hasFiles = option.list(invocation, 'filename').length > 0 || invocation.options['kustomize'] !== undefined
      if (!hasFiles && invocation.args.length === 0) throw new UsageError('required resource not specified')
      // A type without names means all of them, as with kubectl.
      return run({ ...invocation, options: { ...invocation.options, all: true } })
    },
  }
}

/** Does `act` for each workload that is named; `refusal` words what is said of other types. */
const eachWorkload = (
  invocation: Invocation,
  refusal: (resource: ApiResource) => string,
  act: (client: RestClient, one: SelectedObject, object: KubeObject) => Promise<void>,
): Promise<number> =>
  withClient(invocation, async (client) =>
    eachObject(invocation, await selectObjects(invocation, client, { needExist: false }), async (one) => {
      if (!workloads.includes(one.resource.resource)) throw new UsageError(refusal(one.resource))
      const path = pathOf(one.resource, one.namespace, one.name)
      await act(client, one, one.object ?? (await client.json<KubeObject>({ path })))
    }),
  )

const statusCommand = rolloutVerb(
  'status',
  'Wait until the newest template runs everywhere',
  [
    { flags: '--timeout <duration>', summary: 'give up after this', default: '0s' },
    { flags: '-w, --watch', summary: 'wait for the end (default true)' },
    { flags: '--no-watch', summary: 'say how it stands and end' },
    { flags: '--revision <number>', summary: 'of this revision', integer: true },
  ],
  async (invocation) => {
    const deadline = rolloutDeadline(invocation)
    const refusal = ({ kind }: ApiResource): string => `no status viewer has been implemented for ${kind}`
    return await eachWorkload(invocation, refusal, (client, one) => followRollout(invocation, client, one, deadline))
  },
)

const historyCommand = rolloutVerb(
  'history',
  'The templates that it had',
  [{ flags: '--revision <number>', summary: 'this one in full', integer: true }],
  (invocation) =>
    eachWorkload(
      invocation,
      ({ kind }) => `no history viewer has been implemented for "${kind}"`,
      async (client, { resource, name }, object) => {
        const found = await revisionsOf(client, resource, object)
        const wanted = option.integer(invocation, 'revision') ?? 0
        const chosen = wanted > 0 ? found.filter(({ revision }) => revision === wanted) : found
        if (wanted > 0 && chosen.length === 0) throw new UsageError('unable to find the specified revision')
        invocation.io.out(historyText(invocation, displayName(resource, name), chosen, wanted))
      },
    ),
)

function historyText(invocation: Invocation, name: string, revisions: readonly Revision[], wanted: number): string {
  const output = outputOf(invocation)
  if (output !== undefined)
    return revisions.map(({ keeper }) => printAsAsked(invocation, keeper) ?? `${name}\n`).join('')
  if (wanted > 0) return `${name} with revision #${wanted}\n${alignTabs(templateLines(revisions[0]!.template))}\n`
  const rows = revisions.map(({ revision, cause }) => [String(revision), cause])
  return `${name} \n${printTable(['REVISION', 'CHANGE-CAUSE'], rows)}\n`
}

const undoCommand = rolloutVerb(
  'undo',
  'Back to an earlier template',
  [{ flags: '--to-revision <number>', summary: 'which; default the one before', integer: true }],
  (invocation) =>
    eachWorkload(
      invocation,
      ({ kind }) => `no rollbacker has been implemented for "${kind}"`,
      async (client, { resource, namespace, name }, object) => {
        const shown = displayName(resource, name)
        const found = await revisionsOf(client, resource, object)
        const asked = option.integer(invocation, 'toRevision') ?? 0
        const target = asked === 0 ? found.at(-2) : found.find(({ revision }) => revision === asked)
        if (!target)
          throw new UsageError(
            asked === 0
              ? `no rollout history found for ${shown}`
              : `unable to find specified revision ${asked} in history`,
          )
        if ((object as Deployment).spec?.paused)
          throw new UsageError(
            `you cannot rollback a paused deployment; resume it first with 'stormo rollout resume' and try again`,
          )
        const how = dryRunOf(invocation)
        if (how === 'client')
          return invocation.io.out(`${shown} ${alignTabs(templateLines(target.template))} (dry run)\n`)
        if (asked !== 0 && target === found.at(-1))
          return invocation.io.out(`${shown} skipped rollback (current template already matches revision ${asked})\n`)
        const path = pathOf(resource, namespace, name)
        await sendPatch(client, path, { type: 'json', body: rollbackPatch(target) }, { dryRun: how })
        invocation.io.out(`${shown} rolled back${dryRunSuffix(how)}\n`)
      },
    ),
)

const restart: PatchVerb = {
  patchOf(object, resource) {
    if (!workloads.includes(resource.resource))
      throw new UsageError(`${resource.resource} "${object.metadata.name}" restarting is not supported`)
    if ((object as Deployment).spec?.paused)
      throw new UsageError(
        `${resource.resource}.${resource.group} "${object.metadata.name}" can't restart paused deployment (run rollout resume first)`,
      )
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString().replace(/\.\d+/, '') }
    return { type: 'merge', body: { spec: { template: { metadata: { annotations } } } } }
  },
  said: () => 'restarted',
}

const pause = (paused: boolean): PatchVerb => ({
  patchOf(object, resource) {
    const doing = paused ? 'pausing' : 'resuming'
    if (resource.resource !== 'deployments')
      throw new UsageError(`${resource.resource} "${object.metadata.name}" ${doing} is not supported`)
    if (((object as Deployment).spec?.paused ?? false) === paused)
      throw new UsageError(
        `${resource.resource}.${resource.group} "${object.metadata.name}" is ${paused ? 'already' : 'not'} paused`,
      )
    return { type: 'merge', body: { spec: { paused: paused || null } } }
  },
  said: () => (paused ? 'paused' : 'resumed'),
})

export const rolloutCommand: CommandDefinition = {
  name: 'rollout',
  summary: 'How a workload goes from one template to the next',
  commands: [
    statusCommand,
    historyCommand,
    undoCommand,
    rolloutVerb('restart', 'Replace all pods by new ones of the same template', [], (invocation) =>
      patchObjects(invocation, restart),
    ),
    rolloutVerb('pause', 'Let changes wait', [], (invocation) => patchObjects(invocation, pause(true))),
    rolloutVerb('resume', 'Let changes be rolled out again', [], (invocation) =>
      patchObjects(invocation, pause(false)),
    ),
  ],
}
