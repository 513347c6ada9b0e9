import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { durationMs } from '../durations.ts'
import { displayName, pathOf } from '../discovery.ts'
import { eachObject, patchOptions, sendPatch } from '../patch-objects.ts'
import { outputOf, printAsAsked } from '../output-format.ts'
import { type SelectedObject, selectObjects } from '../select-objects.ts'
import { dryRunOf, dryRunSuffix } from '../write-options.ts'
import { pollUntil } from '../poll-until.ts'

export const scaleCommand: CommandDefinition = {
  name: 'scale',
  arguments: '[type/name...]',
  summary: 'Set the number of replicas',
  options: [
    ...patchOptions,
    { flags: '--replicas <count>', summary: 'how many', integer: true },
    { flags: '--current-replicas <count>', summary: 'only if there are so many now', integer: true },
    { flags: '--resource-version <version>', summary: 'only if the object has this version' },
    { flags: '--timeout <duration>', summary: 'wait so long until there are so many; 0: do not wait', default: '0s' },
  ],
  examples: `Examples:
  stormo scale deployment/web --replicas=3
  stormo scale --replicas=1 -f web.yaml`,
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const replicas = option.integer(invocation, 'replicas')
      if (replicas === undefined) throw new UsageError('required flag(s) "replicas" not set')
      if (replicas < 0)
        throw new UsageError('The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0')
      const selected = await selectObjects(invocation, client, { needExist: false })
      return await eachObject(invocation, selected, (one) => scale(invocation, client, one, replicas))
    }),
}

async function scale(
  invocation: Invocation,
  client: RestClient,
  { resource, namespace, name }: SelectedObject,
  replicas: number,
): Promise<void> {
  const { io } = invocation
  const path = pathOf(resource, namespace, name, 'scale')
  const how = dryRunOf(invocation)
  const current = option.integer(invocation, 'currentReplicas') ?? -1
  if (current >= 0 || how === 'client') {
    const { spec } = await client.json<{ spec: { replicas?: number } }>({ path })
    if (current >= 0 && (spec.replicas ?? 0) !== current)
      throw new UsageError(`Expected replicas to be ${current}, was ${spec.replicas ?? 0}`)
  }
  const resourceVersion = option.text(invocation, 'resourceVersion')
  if (how !== 'client')
    await sendPatch(
      client,
      path,
      { type: 'merge', body: { spec: { replicas } }, ...(resourceVersion ? { resourceVersion } : {}) },
      { dryRun: how },
    )
  if (how === 'none') await waitForReplicas(invocation, client, path, replicas)
  const output = outputOf(invocation)
  if (output === undefined) io.out(`${displayName(resource, name)} scaled${dryRunSuffix(how)}\n`)
  else if (output === 'name') io.out(`${displayName(resource, name)}\n`)
  else
    io.out(printAsAsked(invocation, await client.json<KubeObject>({ path: pathOf(resource, namespace, name) })) ?? '')
}

async function waitForReplicas(
  invocation: Invocation,
  client: RestClient,
  path: string,
  replicas: number,
): Promise<void> {
  const timeoutMs = durationMs(invocation, 'timeout') ?? 0
  if (timeoutMs === 0) return
  const isScaled = async (): Promise<boolean> =>
    (await client.json<{ status?: { replicas?: number } }>({ path })).status?.replicas === replicas
  if (!(await pollUntil(isScaled, { timeoutMs, signal: invocation.io.signal })))
    throw new UsageError('timed out waiting for the condition')
}
