import { setTimeout as sleep } from 'node:timers/promises'
import type { Node, Pod } from '../../src/api/kinds.ts'
import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, type OptionDefinition, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { durationMs } from '../durations.ts'
import { eachObject, patchObjects, type PatchVerb } from '../patch-objects.ts'
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
  const timeoutMs = durationMs(invocation, 'timeout') ?? 0
  const deadlineMs = timeoutMs > 0 ? Date.now() + timeoutMs : Infinity
  return await withClient(invocation, async (client) =>
    eachObject(invocation, await selectObjects(invocation, client, { needExist: false }), ({ name }) =>
      drain(invocation, client, name, deadlineMs),
    ),
  )
}

async function drain(invocation: Invocation, client: RestClient, name: string, deadlineMs: number): Promise<void> {
  const { io } = invocation
  const { items } = await client.json<{ items: Pod[] }>({
    path: '/api/v1/pods',
    query: { fieldSelector: `spec.nodeName=${name}`, labelSelector: option.text(invocation, 'podSelector') },
  })
  const { leaving, refusals, skipped } = sort(invocation, items)
  if (refusals.length > 0) throw new UsageError(`unable to drain node "${name}" due to: ${refusals.join(', ')}`)
  if (skipped.length > 0) io.err(`Warning: ignoring DaemonSet-managed Pods: ${skipped.join(', ')}\n`)
  const how = dryRunOf(invocation)
  if (how === 'none') {
    await Promise.all(leaving.map((pod) => evict(invocation, client, pod, deadlineMs)))
    await Promise.all(leaving.map((pod) => waitUntilGone(invocation, client, pod, deadlineMs)))
  } else for (const pod of leaving) io.out(`evicting pod ${fullName(pod)}${dryRunSuffix(how)}\n`)
  io.out(`node/${name} drained${dryRunSuffix(how)}\n`)
}

const podPath = (pod: Pod): string => `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`
const fullName = (pod: Pod): string => `${pod.metadata.namespace}/${pod.metadata.name}`

/** Which pods leave, which stay, and which the user must say a word about. */
function sort(invocation: Invocation, pods: readonly Pod[]): { leaving: Pod[]; refusals: string[]; skipped: string[] } {
  const leaving: Pod[] = []
  const skipped: string[] = []
  const unmanaged: string[] = []
  const daemons: string[] = []
  const local: string[] = []
  for (const pod of pods) {
    const controller = pod.metadata.ownerReferences?.find((reference) => reference.controller)
    const isDone = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    if (pod.metadata.annotations?.['kubernetes.io/config.mirror']) continue
    if (controller?.kind === 'DaemonSet' && !isDone) {
      ;(option.flag(invocation, 'ignoreDaemonsets') ? skipped : daemons).push(fullName(pod))
      continue
    }
    if (!controller && !isDone && !option.flag(invocation, 'force')) unmanaged.push(fullName(pod))
    const hasData = pod.spec?.volumes?.some((volume) => volume.emptyDir) ?? false
    if (hasData && !isDone && !option.flag(invocation, 'deleteEmptydirData')) local.push(fullName(pod))
    leaving.push(pod)
  }
  const refusals = [
    ...(unmanaged.length > 0
      ? [`cannot delete Pods that declare no controller (use --force to override): ${unmanaged.join(', ')}`]
      : []),
    ...(daemons.length > 0
      ? [`cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ${daemons.join(', ')}`]
      : []),
    ...(local.length > 0
      ? [`cannot delete Pods with local storage (use --delete-emptydir-data to override): ${local.join(', ')}`]
      : []),
  ]
  return { leaving, refusals, skipped }
}

/** Evicts one pod; a disruption budget that says no is asked again until the deadline. */
async function evict(invocation: Invocation, client: RestClient, pod: Pod, deadlineMs: number): Promise<void> {
  const { io } = invocation
  const grace = option.integer(invocation, 'gracePeriod') ?? -1
  const deleteOptions = grace >= 0 ? { gracePeriodSeconds: grace } : {}
  io.out(`${option.flag(invocation, 'disableEviction') ? 'deleting' : 'evicting'} pod ${fullName(pod)}\n`)
  for (;;) {
    try {
      if (option.flag(invocation, 'disableEviction'))
        await client.send({
          method: 'DELETE',
          path: podPath(pod),
          body: { apiVersion: 'v1', kind: 'DeleteOptions', ...deleteOptions },
        })
      else {
        const body = {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace },
          deleteOptions,
        }
        await client.send({ method: 'POST', path: `${podPath(pod)}/eviction`, body })
      }
      return
    } catch (error) {
      if (isStatus(error, 'NotFound')) return
      if (!isStatus(error, 'TooManyRequests')) throw error
      if (Date.now() > deadlineMs) throw new UsageError(`global timeout reached: ${fullName(pod)}: ${error.message}`)
      io.err(
        `error when evicting pods/"${pod.metadata.name}" -n "${pod.metadata.namespace}" (will retry after 5s): ${error.message}\n`,
      )
      await sleep(5000, undefined, { signal: io.signal })
    }
  }
}

async function waitUntilGone(invocation: Invocation, client: RestClient, pod: Pod, deadlineMs: number): Promise<void> {
  const skipAfterSeconds = option.integer(invocation, 'skipWaitForDeleteTimeout') ?? 0
  const endingSince = pod.metadata.deletionTimestamp
  if (skipAfterSeconds > 0 && endingSince && Date.now() - Date.parse(endingSince) > skipAfterSeconds * 1000) return
  for (;;) {
    const current = await client.json<Pod>({ path: podPath(pod) }).catch((error: unknown) => {
      if (isStatus(error, 'NotFound')) return undefined
      throw error
    })
    if (current?.metadata.uid !== pod.metadata.uid) return
    if (Date.now() > deadlineMs) throw new UsageError(`global timeout reached: ${fullName(pod)} is still there`)
    await sleep(250, undefined, { signal: invocation.io.signal })
  }
}
