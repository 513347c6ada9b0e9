import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { type ApiResource, pathOf } from './discovery.ts'
import { durationMs } from './durations.ts'
import { pollUntil } from './poll-until.ts'

/** How objects are deleted, by whatever deletes them. */
export const deletionOptions: readonly OptionDefinition[] = [
  { flags: '--grace-period <seconds>', summary: 'seconds that pods get to end', integer: true },
  { flags: '--cascade <how>', summary: 'background, foreground or orphan', default: 'background' },
  { flags: '--wait', summary: 'wait until they are gone (default true)', hidden: true },
  { flags: '--no-wait', summary: 'do not wait until they are gone' },
  { flags: '--timeout <duration>', summary: 'how long to wait at most; 0: a week', default: '10m' },
]

export interface Doomed {
  resource: ApiResource
  namespace: string | undefined
  name: string
}

export type Deleted = Doomed & { uid: string }

const weekMs = 7 * 24 * 3600 * 1000

/** The DeleteOptions that the command line asks for; `defaultGraceSeconds` where it names no period. */
function deleteOptions(invocation: Invocation, defaultGraceSeconds: number | undefined): object {
  const cascade = option.text(invocation, 'cascade') ?? 'background'
  const propagationPolicy = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' }[cascade]
  if (!propagationPolicy)
    throw new UsageError(`invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`)
  const asked = option.integer(invocation, 'gracePeriod')
  const gracePeriodSeconds = asked === undefined || asked < 0 ? defaultGraceSeconds : asked
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  }
}

/** Asks for the deletion of one object. Returns its uid where the server says it. */
export async function deleteObject(
  invocation: Invocation,
  client: RestClient,
  { resource, namespace, name }: Doomed,
  how: { defaultGraceSeconds?: number | undefined; isDryRun?: boolean } = {},
): Promise<string | undefined> {
  const answer = await client.json<{ kind: string; metadata?: KubeObject['metadata']; details?: { uid?: string } }>({
    method: 'DELETE',
    path: pathOf(resource, namespace, name),
    query: { dryRun: how.isDryRun ? 'All' : undefined },
    body: deleteOptions(invocation, how.defaultGraceSeconds),
    signal: invocation.io.signal,
  })
  return answer.kind === 'Status' ? answer.details?.uid : answer.metadata?.uid
}

/** Whether the object is gone, or another one has its name. */
export async function isGone(
  client: RestClient,
  { resource, namespace, name, uid }: Deleted,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await client.json<KubeObject>({ path: pathOf(resource, namespace, name), signal })).metadata.uid !== uid
  } catch (error) {
    if (isStatus(error, 'NotFound')) return true
    throw error
  }
}

/** Waits until each is gone, all of them within the one timeout. */
export async function waitUntilGone(
  invocation: Invocation,
  client: RestClient,
  objects: readonly Deleted[],
): Promise<void> {
  const deadlineMs = Date.now() + (durationMs(invocation, 'timeout') || weekMs)
  const { signal } = invocation.io
  for (const one of objects) {
    const timeoutMs = deadlineMs - Date.now()
    if (!(await pollUntil(() => isGone(client, one, signal), { timeoutMs, signal })))
      throw new UsageError(`timed out waiting for the condition on ${one.resource.resource}/${one.name}`)
  }
}
