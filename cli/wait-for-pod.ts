import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod } from '../src/api/kinds.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Io, UsageError } from './command.ts'

const pollMs = 200
/** When nothing has happened for so long the user is told why. */
const silenceMs = 3000

/** Waits until the pod is as wanted; says on stderr what it waits for. Throws UsageError after `timeoutMs`. */
export async function waitForPod(
  client: RestClient,
  path: string,
  isAsWanted: (pod: Pod) => boolean,
  timeoutMs: number,
  io: Io,
): Promise<Pod> {
  const startMs = Date.now()
  let said = ''
  for (;;) {
    const pod = await client.json<Pod>({ path, signal: io.signal })
    if (isAsWanted(pod)) return pod
    const spentMs = Date.now() - startMs
    const waiting = pod.status?.containerStatuses?.find((one) => one.state?.waiting)?.state?.waiting
    const why = `Waiting for pod ${pod.metadata.namespace}/${pod.metadata.name}: ${pod.status?.phase ?? 'Pending'}${waiting?.reason ? ` (${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''})` : ''}`
    if (spentMs > silenceMs && why !== said) io.err(`${why}\n`)
    if (spentMs > silenceMs) said = why
    if (spentMs > timeoutMs) throw new UsageError(`timed out waiting for the condition: ${why}`)
    await sleep(pollMs, undefined, { signal: io.signal })
  }
}
