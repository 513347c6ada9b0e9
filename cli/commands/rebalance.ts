import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod } from '../../src/api/kinds.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { defaultProfile } from '../../src/scheduler/default-profile.ts'
import { type Move, planRebalance } from '../../src/scheduler/rebalance.ts'
import { type CommandDefinition, type Invocation, type Io, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { durationMs } from '../durations.ts'
import { printTable } from '../printers/table.ts'
import { readSnapshot } from '../scheduler-snapshot.ts'

const defaultMaxMoves = 20
const defaultTimeoutSeconds = 120
const pollMs = 500

export const rebalanceCommand: CommandDefinition = {
  name: 'rebalance',
  summary: 'Move pods to nodes that came back or are new, as far as disruption budgets allow',
  examples: ['  stormo rebalance --dry-run', '  stormo rebalance --max 5'].join('\n'),
  options: [
    ...connectionOptions,
    { flags: '--dry-run', summary: 'only say which pods would move' },
    { flags: '--max <count>', summary: 'the most pods to move', integer: true, default: defaultMaxMoves },
    { flags: '--delete-emptydir-data', summary: 'also pods whose data on their node will be lost' },
    {
      flags: '--timeout <duration>',
      summary: 'wait so long for each pod to be replaced',
      default: `${defaultTimeoutSeconds}s`,
    },
  ],
  run: (invocation) => withClient(invocation, (client) => rebalance(invocation, client)),
}

async function rebalance(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const maxMoves = option.integer(invocation, 'max') ?? defaultMaxMoves
  if (maxMoves < 1) throw new UsageError('--max must be at least 1')
  const cluster = await readSnapshot(client, io.signal, (resource) => {
    // Without them a budget might be overlooked.
    throw new UsageError(`${resource} cannot be listed; rebalancing needs to see all of the cluster`)
  })
  const movesLocalData = option.flag(invocation, 'deleteEmptydirData')
  const moves = planRebalance(cluster, { profile: defaultProfile, maxMoves, movesLocalData })
  if (moves.length === 0) {
    io.out('nothing to move\n')
    return 0
  }
  if (option.flag(invocation, 'dryRun')) {
    const rows = moves.map(({ pod, from, to }) => [pod.metadata.namespace!, pod.metadata.name!, from, to])
    io.out(printTable(['NAMESPACE', 'POD', 'FROM', 'TO'], rows))
    return 0
  }
  let moved = 0
  const timeoutMs = durationMs(invocation, 'timeout') ?? defaultTimeoutSeconds * 1000
  // One after the other: each is replaced and ready before the next one goes.
  for (const move of moves) if (await carryOut(invocation, client, move, timeoutMs)) moved++
  io.out(`${moved} of ${moves.length} pods moved\n`)
  return moved === moves.length ? 0 : 1
}

const podPath = ({ metadata }: Pod): string => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`

async function carryOut(
  { io }: Invocation,
  client: RestClient,
  { pod, from }: Move,
  timeoutMs: number,
): Promise<boolean> {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`
  const endMs = Date.now() + timeoutMs
  const before = new Set((await siblingsOf(client, pod, io.signal)).map(({ metadata }) => metadata.uid))
  if (!(await evicted(client, pod, endMs, io))) return false
  for (; Date.now() < endMs; await sleep(pollMs, undefined, { signal: io.signal })) {
    const made = (await siblingsOf(client, pod, io.signal)).find((one) => !before.has(one.metadata.uid) && isReady(one))
    if (!made) continue
    io.out(`pod ${name} moved from ${from} to ${made.spec?.nodeName} as ${made.metadata.name}\n`)
    return true
  }
  io.err(`pod ${name} was evicted, but what replaces it is not ready after ${timeoutMs / 1000} s\n`)
  return false
}

/** False when the pod stays: gone, another one by now, or protected by a budget until the deadline. */
async function evicted(client: RestClient, pod: Pod, endMs: number, io: Io): Promise<boolean> {
  const { namespace, name, uid } = pod.metadata
  const body = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions: { preconditions: { uid } },
  }
  for (;;) {
    try {
      await client.send({ method: 'POST', path: `${podPath(pod)}/eviction`, body, signal: io.signal })
      return true
    } catch (error) {
      const isBudget = isStatus(error, 'TooManyRequests')
      if (!isBudget && !isStatus(error, 'NotFound') && !isStatus(error, 'Conflict')) throw error
      if (!isBudget || Date.now() >= endMs) {
        io.err(`pod ${namespace}/${name} stays: ${error.message}\n`)
        return false
      }
      await sleep(pollMs, undefined, { signal: io.signal })
    }
  }
}

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true

/** The pods of the same controller. */
async function siblingsOf(client: RestClient, { metadata }: Pod, signal: AbortSignal): Promise<Pod[]> {
  const path = `/api/v1/namespaces/${metadata.namespace}/pods`
  const { items } = await client.json<{ items: Pod[] }>({ path, signal })
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)?.uid
  return items.filter((one) => one.metadata.ownerReferences?.some(({ uid }) => uid === owner))
}
