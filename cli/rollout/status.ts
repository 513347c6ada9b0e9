import type { RestClient } from '../../src/client/rest-client.ts'
import { type Invocation, option, UsageError } from '../command.ts'
import { pathOf } from '../discovery.ts'
import { durationMs } from '../durations.ts'
import { rolloutState } from '../printers/rollout-state.ts'
import type { SelectedObject } from '../select-objects.ts'
import { jsonLines } from '../watch-lines.ts'
import { revisionAnnotation, type Workload } from './revisions.ts'

/** How long `rollout status` waits in all: aborted then, or with the process. */
export function rolloutDeadline(invocation: Invocation): AbortSignal {
  const timeoutMs = durationMs(invocation, 'timeout') ?? 0
  return AbortSignal.any([invocation.io.signal, ...(timeoutMs > 0 ? [AbortSignal.timeout(timeoutMs)] : [])])
}

/** Says how a rollout stands until it is over. Throws UsageError when it failed or the time is over. */
export async function followRollout(
  invocation: Invocation,
  client: RestClient,
  { resource, namespace, name }: SelectedObject,
  signal: AbortSignal,
): Promise<void> {
  const wanted = option.integer(invocation, 'revision')
  let said = ''
  const look = (object: Workload): boolean => {
    if (wanted && Number(object.metadata.annotations?.[revisionAnnotation] ?? 0) !== wanted)
      throw new UsageError(`desired revision (${wanted}) is different from the running revision`)
    const { message, done } = rolloutState({ ...object, kind: resource.kind })
    if (message !== said) invocation.io.out(`${message}\n`)
    said = message
    return done
  }
  try {
    for (;;) {
      signal.throwIfAborted()
      const object = await client.json<Workload>({ path: pathOf(resource, namespace, name), signal })
      if (look(object) || invocation.options['watch'] === false) return
      const query = {
        watch: 'true',
        resourceVersion: object.metadata.resourceVersion,
        fieldSelector: `metadata.name=${name}`,
      }
      const answer = await client.stream({ path: pathOf(resource, namespace), query, signal })
      for await (const event of jsonLines<{ type: string; object: Workload }>(answer)) {
        if (event.type === 'DELETED') throw new UsageError(`object has been deleted`)
        if (event.type === 'ERROR') break
        if (look(event.object)) {
          answer.destroy()
          return
        }
      }
    }
  } catch (error) {
    if (signal.aborted && !invocation.io.signal.aborted) throw new UsageError('timed out waiting for the condition')
    throw error
  }
}
