import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod } from '../src/api/kinds.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option, UsageError } from './command.ts'
import { isGone } from './delete-objects.ts'
import { podPath, podResource } from './pods.ts'
import { pollUntil } from './poll-until.ts'
import { dryRunOf, dryRunSuffix } from './write-options.ts'

export interface DrainDeadline {
  /** When it is over, or never. */
  atMs: number
  /** As the user wrote it, for messages. */
  text: string
}

const evictionRetryMs = 5000

/** Moves the pods of a node elsewhere, as kubectl does and says it. Throws UsageError for what keeps one where it is. */
export async function drainNode(
  invocation: Invocation,
  client: RestClient,
  name: string,
  deadline: DrainDeadline,
): Promise<void> {
  const { io } = invocation
  const { items } = await client.json<{ items: Pod[] }>({
    path: '/api/v1/pods',
    query: { fieldSelector: `spec.nodeName=${name}`, labelSelector: option.text(invocation, 'podSelector') },
  })
  const { leaving, refusals, warnings } = sort(invocation, items)
  if (refusals.length > 0) throw new UsageError(refusals.join(', '))
  if (warnings.length > 0) io.err(`Warning: ${warnings.join('; ')}\n`)
  const how = dryRunOf(invocation)
  const verb = option.flag(invocation, 'disableEviction') ? 'deleting' : 'evicting'
  if (how !== 'none') {
    for (const pod of leaving) io.out(`${verb} pod ${fullName(pod)}${dryRunSuffix(how)}\n`)
    return
  }
  const remaining = new Set(leaving)
  const leave = async (pod: Pod): Promise<void> => {
    await evict(invocation, client, pod, deadline)
    await waitUntilGone(invocation, client, pod, deadline)
    remaining.delete(pod)
    io.out(`pod/${pod.metadata.name} ${verb === 'deleting' ? 'deleted' : 'evicted'}\n`)
  }
  const results = await Promise.allSettled(leaving.map(leave))
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  if (failures.length === 0) return
  io.signal.throwIfAborted()
  const said = failures.map(({ message }) => message).join(', ')
  io.err(`There are pending pods in node "${name}" when an error occurred: ${said}\n`)
  for (const pod of remaining) io.err(`pod/${pod.metadata.name}\n`)
  throw new UsageError(said)
}

const fullName = (pod: Pod): string => `${pod.metadata.namespace}/${pod.metadata.name}`

/** What stands in the way of a pod, the option that takes it away, and what is said when that is given. */
const obstacles = [
  { what: 'DaemonSet-managed Pods', flag: 'ignoreDaemonsets', to: '--ignore-daemonsets to ignore', doing: 'ignoring' },
  {
    what: 'Pods with local storage',
    flag: 'deleteEmptydirData',
    to: '--delete-emptydir-data to override',
    doing: 'deleting',
  },
  { what: 'Pods that declare no controller', flag: 'force', to: '--force to override', doing: 'deleting' },
] as const

/** Which pods leave, and which the user must say a word about. Mirror pods are nobody's to delete. */
function sort(
  invocation: Invocation,
  pods: readonly Pod[],
): Record<'refusals' | 'warnings', string[]> & { leaving: Pod[] } {
  const found = obstacles.map(() => [] as Pod[])
  const leaving = pods.filter((pod) => {
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror']) return false
    const isDone = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    const controller = pod.metadata.ownerReferences?.find((one) => one.controller)
    if (controller?.kind === 'DaemonSet' && !isDone) return !found[0]!.push(pod)
    if (pod.spec?.volumes?.some((volume) => volume.emptyDir) && !isDone) found[1]!.push(pod)
    if (!controller && !isDone) found[2]!.push(pod)
    return true
  })
  const said = (isAllowed: boolean): string[] =>
    obstacles.flatMap(({ what, flag, to, doing }, index) => {
      const names = found[index]!.map(fullName).join(', ')
      if (names === '' || option.flag(invocation, flag) !== isAllowed) return []
      return [isAllowed ? `${doing} ${what}: ${names}` : `cannot delete ${what} (use ${to}): ${names}`]
    })
  return { leaving, refusals: said(false), warnings: said(true) }
}

const timedOut = ({ text }: DrainDeadline): string => `global timeout reached: ${text}`

/** Evicts one pod; a disruption budget that says no is asked again until the deadline. */
async function evict(invocation: Invocation, client: RestClient, pod: Pod, deadline: DrainDeadline): Promise<void> {
  const { io } = invocation
  const { name = '', namespace = '' } = pod.metadata
  const path = podPath(namespace, name)
  const isDeletion = option.flag(invocation, 'disableEviction')
  const grace = option.integer(invocation, 'gracePeriod') ?? -1
  const deleteOptions = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}),
  }
  const request = isDeletion
    ? { method: 'DELETE', path, body: deleteOptions }
    : {
        method: 'POST',
        path: `${path}/eviction`,
        body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions },
      }
  const about = `error when ${isDeletion ? 'deleting' : 'evicting'} pods/"${name}" -n "${namespace}"`
  for (;;) {
    io.out(`${isDeletion ? 'deleting' : 'evicting'} pod ${fullName(pod)}\n`)
    try {
      await client.send({ ...request, signal: io.signal })
      return
    } catch (error) {
      if (isStatus(error, 'NotFound')) return
      if (!isStatus(error, 'TooManyRequests')) throw error
      if (Date.now() + evictionRetryMs > deadline.atMs) {
        await sleep(Math.max(0, deadline.atMs - Date.now()), undefined, { signal: io.signal })
        throw new UsageError(`${about}: ${timedOut(deadline)}`)
      }
      io.err(`${about} (will retry after 5s): ${error.message}\n`)
      await sleep(evictionRetryMs, undefined, { signal: io.signal })
    }
  }
}

async function waitUntilGone(
  invocation: Invocation,
  client: RestClient,
  pod: Pod,
  deadline: DrainDeadline,
): Promise<void> {
  const skipAfterSeconds = option.integer(invocation, 'skipWaitForDeleteTimeout') ?? 0
  const endingSince = pod.metadata.deletionTimestamp
  if (skipAfterSeconds > 0 && endingSince && Date.now() - Date.parse(endingSince) > skipAfterSeconds * 1000) return
  const { name = '', namespace = '', uid = '' } = pod.metadata
  const timeoutMs = deadline.atMs - Date.now()
  const { signal } = invocation.io
  const doomed = { resource: podResource, namespace, name, uid }
  if (!(await pollUntil(() => isGone(client, doomed, signal), { timeoutMs, signal })))
    throw new UsageError(
      `error when waiting for pod "${name}" in namespace "${namespace}" to terminate: ${timedOut(deadline)}`,
    )
}
