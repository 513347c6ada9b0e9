import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { durationMs } from '../durations.ts'
import { apiVersionOf, displayName, pathOf } from '../discovery.ts'
import { outputOf, outputOptions, printAsAsked } from '../output-format.ts'
import { selectObjects, selectionOptions, type SelectedObject } from '../select-objects.ts'
import { namespaceOptions } from '../targets.ts'
import { type ParsedCondition, parseWaitCondition } from '../wait-condition.ts'
import { jsonLines } from '../watch-lines.ts'

export const waitCommand: CommandDefinition = {
  name: 'wait',
  arguments: '[type] [name...]',
  summary: 'Wait until objects are as they should be',
  options: [
    ...namespaceOptions,
    ...selectionOptions,
    { flags: '--for <what>', summary: 'create, delete, condition=<type>[=<status>] or jsonpath=<path>[=<value>]' },
    ...outputOptions,
    { flags: '--timeout <duration>', summary: 'give up after this; 0 asks once, negative is a week', default: '30s' },
  ],
  examples: `Examples:
  stormo wait pod/web-0 --for=condition=Ready --timeout=60s
  stormo wait pods -l app=web --for=delete
  stormo wait deployment/web --for=jsonpath='{.status.readyReplicas}'=3`,
  run: (invocation) => withClient(invocation, (client) => wait(invocation, client)),
}

const weekMs = 7 * 24 * 3600 * 1000

async function wait(invocation: Invocation, client: RestClient): Promise<number> {
  const text = option.text(invocation, 'for')
  if (text === undefined) throw new UsageError('required flag(s) "for" not set')
  const condition = parseWaitCondition(text)
  const timeoutMs = durationMs(invocation, 'timeout') ?? 30_000
  const deadline = AbortSignal.timeout(timeoutMs < 0 ? weekMs : Math.max(timeoutMs, 1))
  const objects = await selectObjects(invocation, client, { needExist: false })
  if (objects.length === 0) {
    if (condition.kind === 'delete') return 0
    throw new UsageError('no matching resources found')
  }
  const results = await Promise.all(objects.map((one) => waitForOne(invocation, client, one, condition, deadline)))
  return results.every(Boolean) ? 0 : 1
}

async function waitForOne(
  invocation: Invocation,
  client: RestClient,
  one: SelectedObject,
  condition: ParsedCondition,
  deadline: AbortSignal,
): Promise<boolean> {
  const { io } = invocation
  const name = displayName(one.resource, one.name)
  try {
    const object = await untilMet(client, one, condition, AbortSignal.any([deadline, io.signal]))
    const said = condition.kind === 'delete' ? 'deleted' : 'condition met'
    const printed = object && printAsAsked(invocation, object)
    io.out(printed ?? (outputOf(invocation) === 'name' ? `${name}\n` : `${name} ${said}\n`))
    return true
  } catch (error) {
    if (!deadline.aborted || io.signal.aborted) throw error
    io.err(`error: timed out waiting for the condition on ${one.resource.resource}/${one.name}\n`)
    return false
  }
}

/** Looks, then watches from what it saw; a watch that ends or lost its place is begun again. Returns what met it. */
async function untilMet(
  client: RestClient,
  { resource, namespace, name, uid }: SelectedObject,
  { kind, isMet }: ParsedCondition,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const fieldSelector = `metadata.name=${name}`
  const path = pathOf(resource, namespace)
  for (;;) {
    signal.throwIfAborted()
    const list = await client.json<{ metadata: { resourceVersion: string }; items: KubeObject[] }>({
      path,
      query: { fieldSelector },
      signal,
    })
    const current = list.items.find((item) => kind !== 'delete' || uid === undefined || item.metadata.uid === uid)
    if (isMet(current)) return current && { ...current, apiVersion: apiVersionOf(resource), kind: resource.kind }
    if (current === undefined && kind !== 'create' && kind !== 'delete')
      throw new UsageError(`Error from server (NotFound): ${resource.resource} "${name}" not found`)
    const query = { watch: 'true', fieldSelector, resourceVersion: list.metadata.resourceVersion }
    const answer = await client.stream({ path, query, signal }).catch((error: unknown) => {
      if (isStatus(error, 'Gone', 'Expired')) return undefined
      throw error
    })
    if (!answer) continue
    try {
      for await (const event of jsonLines<{ type: string; object: KubeObject }>(answer)) {
        if (event.type === 'ERROR') break
        const seen = event.type === 'DELETED' ? undefined : event.object
        if (isMet(seen)) return seen
        if (event.type === 'DELETED' && kind !== 'create')
          throw new UsageError(`${resource.resource} "${name}" was deleted`)
      }
    } finally {
      answer.destroy()
    }
  }
}
