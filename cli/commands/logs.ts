import type { Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { formatLabelSelector } from '../../src/lib/selector.ts'
import { parseDurationMs } from '../../src/lib/duration.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'

const podResource = { group: '', version: 'v1', resource: 'pods', namespaced: true } as Parameters<typeof pathOf>[0]

export const logsCommand: CommandDefinition = {
  name: 'logs',
  arguments: '[pod-or-type/name]',
  summary: 'Print what containers have written',
  options: [
    ...namespaceOptions,
    { flags: '-c, --container <name>', summary: 'container of the pod' },
    { flags: '-f, --follow', summary: 'go on printing' },
    { flags: '-p, --previous', summary: 'of the container before its last restart' },
    { flags: '--tail <lines>', summary: 'only the last lines', integer: true },
    { flags: '--since <duration>', summary: 'only what is newer, for example 10m' },
    { flags: '--since-time <time>', summary: 'only what is newer than this time (RFC 3339)' },
    { flags: '--timestamps', summary: 'each line with its time' },
    { flags: '--limit-bytes <bytes>', summary: 'print no more than this', integer: true },
    { flags: '--all-containers', summary: "of all the pod's containers" },
    { flags: '--prefix', summary: 'each line with its pod and container' },
    { flags: '-l, --selector <selector>', summary: 'of all pods with these labels' },
  ],
  run: (invocation) => withClient(invocation, (client) => logs(invocation, client)),
}

async function logs(invocation: Invocation, client: RestClient): Promise<number> {
  const namespace = namespaceOf(invocation, client)
  const pods = await podsOf(invocation, client, namespace)
  const sources = pods.flatMap((pod) => containersOf(invocation, pod).map((container) => ({ pod, container })))
  const follow = option.flag(invocation, 'follow')
  const read = ({ pod, container }: (typeof sources)[number]) => copyLog(invocation, client, pod, container)
  if (follow) await Promise.all(sources.map(read))
  else for (const source of sources) await read(source)
  return 0
}

async function podsOf(invocation: Invocation, client: RestClient, namespace: string): Promise<Pod[]> {
  const selector = option.text(invocation, 'selector')
  if (selector !== undefined) return await listPods(client, namespace, selector)
  const { resource, name } = await objectTarget(client, invocation.args, 'pods')
  if (resource.resource === 'pods') return [await client.json<Pod>({ path: pathOf(resource, namespace, name) })]
  const owner = await client.json<{ spec?: { selector?: Record<string, unknown> } }>({
    path: pathOf(resource, namespace, name),
  })
  const own = owner.spec?.selector
  if (!own) throw new UsageError(`cannot get the logs from ${resource.singular}: it selects no pods`)
  const isMap = resource.resource === 'services' || resource.resource === 'replicationcontrollers'
  const pods = await listPods(
    client,
    namespace,
    formatLabelSelector(isMap ? { matchLabels: own as Record<string, string> } : own),
  )
  const [first] = pods
  if (!first) throw new UsageError(`no pods found for ${resource.singular}/${name}`)
  if (pods.length > 1) invocation.io.err(`Found ${pods.length} pods, using pod/${first.metadata.name}\n`)
  return [first]
}

async function listPods(client: RestClient, namespace: string, labelSelector: string): Promise<Pod[]> {
  return (await client.json<{ items: Pod[] }>({ path: pathOf(podResource, namespace), query: { labelSelector } })).items
}

function containersOf(invocation: Invocation, pod: Pod): string[] {
  const asked = option.text(invocation, 'container')
  if (asked !== undefined) return [asked]
  const regular = (pod.spec?.containers ?? []).map((container) => container.name)
  if (option.flag(invocation, 'allContainers'))
    return [...(pod.spec?.initContainers ?? []).map((container) => container.name), ...regular]
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container']
  const chosen = preferred !== undefined && regular.includes(preferred) ? preferred : regular[0]
  if (regular.length > 1) invocation.io.err(`Defaulted container "${chosen}" out of: ${regular.join(', ')}\n`)
  return chosen === undefined ? [] : [chosen]
}

async function copyLog(invocation: Invocation, client: RestClient, pod: Pod, container: string): Promise<void> {
  const since = option.text(invocation, 'since')
  const sinceMs = since === undefined ? undefined : parseDurationMs(since)
  if (since !== undefined && sinceMs === undefined)
    throw new UsageError(`--since ${since}: must be a duration such as 10m`)
  const flag = (name: string): string | undefined => (option.flag(invocation, name) ? 'true' : undefined)
  const answer = await client.stream({
    path: pathOf(podResource, pod.metadata.namespace, pod.metadata.name, 'log'),
    query: {
      container,
      follow: flag('follow'),
      previous: flag('previous'),
      timestamps: flag('timestamps'),
      tailLines: option.integer(invocation, 'tail')?.toString(),
      limitBytes: option.integer(invocation, 'limitBytes')?.toString(),
      sinceSeconds: sinceMs === undefined ? undefined : String(Math.max(1, Math.floor(sinceMs / 1000))),
      sinceTime: option.text(invocation, 'sinceTime'),
    },
    accept: '*/*',
    signal: invocation.io.signal,
  })
  const prefix = option.flag(invocation, 'prefix') ? `[pod/${pod.metadata.name}/${container}] ` : ''
  answer.setEncoding('utf8')
  let atStart = true
  try {
    for await (const text of answer as AsyncIterable<string>) {
      if (prefix === '') invocation.io.out(text)
      else {
        const lines = text.split(/(?<=\n)/)
        for (const line of lines) {
          invocation.io.out((atStart ? prefix : '') + line)
          atStart = line.endsWith('\n')
        }
      }
    }
  } catch (error) {
    if (!invocation.io.signal.aborted) throw error
  }
}
