import type { Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { parseDurationMs } from '../../src/lib/duration.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { reportError } from '../report-error.ts'
import { containerOf, listPods, podTimeoutOption, podPath, podsBehind } from '../pods.ts'
import { namespaceOf, namespaceOptions, objectTarget } from '../targets.ts'

export const logsCommand: CommandDefinition = {
  name: 'logs',
  arguments: '[pod-or-type/name] [container]',
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
    { flags: '--all-pods', summary: 'of all pods of the workload' },
    { flags: '--max-log-requests <count>', summary: 'most logs to follow at a time', integer: true, default: 5 },
    podTimeoutOption,
    { flags: '--insecure-skip-tls-verify-backend', summary: 'accepted; nodes know each other', hidden: true },
    { flags: '--ignore-errors', summary: 'go on when a log cannot be read' },
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
  const read = ({ pod, container }: (typeof sources)[number]): Promise<void> =>
    copyLog(invocation, client, pod, container).catch((error: unknown) => {
      if (!option.flag(invocation, 'ignoreErrors')) throw error
      reportError(invocation.io, error)
    })
  const most = option.integer(invocation, 'maxLogRequests') ?? 5
  if (follow && sources.length > most)
    throw new UsageError(
      `you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${most}, use --max-log-requests to increase the limit`,
    )
  if (follow) await Promise.all(sources.map(read))
  else for (const source of sources) await read(source)
  return 0
}

async function podsOf(invocation: Invocation, client: RestClient, namespace: string): Promise<Pod[]> {
  const selector = option.text(invocation, 'selector')
  if (selector !== undefined) {
    const found = await listPods(client, namespace, selector)
    if (found.length === 0) invocation.io.err(`No resources found in ${namespace} namespace.\n`)
    return found
  }
  if (invocation.args.length === 0)
    throw new UsageError(
      "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command\nSee 'stormo logs -h' for help and examples",
    )
  const { resource, name } = await objectTarget(client, invocation.args.slice(0, 1), 'pods')
  if (resource.resource === 'pods') return [await client.json<Pod>({ path: podPath(namespace, name) })]
  const pods = await podsBehind(client, namespace, resource, name)
  if (option.flag(invocation, 'allPods')) return pods
  if (pods.length > 1) invocation.io.err(`Found ${pods.length} pods, using pod/${pods[0]!.metadata.name}\n`)
  return [pods[0]!]
}

function containersOf(invocation: Invocation, pod: Pod): string[] {
  if (!option.flag(invocation, 'allContainers'))
    return [containerOf(pod, option.text(invocation, 'container') ?? invocation.args[1], invocation.io)]
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name)
}

/** Of many pods only the last lines each, unless the user says how many. */
function tailLines(invocation: Invocation): string | undefined {
  const asked = option.integer(invocation, 'tail')
  if (asked !== undefined) return asked < 0 ? undefined : String(asked)
  return option.text(invocation, 'selector') === undefined ? undefined : '10'
}

async function copyLog(invocation: Invocation, client: RestClient, pod: Pod, container: string): Promise<void> {
  const since = option.text(invocation, 'since')
  const sinceMs = since === undefined ? undefined : parseDurationMs(since)
  if (since !== undefined && sinceMs === undefined)
    throw new UsageError(`--since ${since}: must be a duration such as 10m`)
  const sinceTime = option.text(invocation, 'sinceTime')
  if (sinceTime !== undefined && since !== undefined)
    throw new UsageError('at most one of `sinceTime` or `sinceSeconds` may be specified')
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime)))
    throw new UsageError(`parsing time "${sinceTime}": must be a time as in RFC 3339, for example 2006-01-02T15:04:05Z`)
  const flag = (name: string): string | undefined => (option.flag(invocation, name) ? 'true' : undefined)
  const answer = await client.stream({
    path: podPath(pod.metadata.namespace ?? '', pod.metadata.name ?? '', 'log'),
    query: {
      container,
      follow: flag('follow'),
      previous: flag('previous'),
      timestamps: flag('timestamps'),
      tailLines: tailLines(invocation),
      limitBytes: option.integer(invocation, 'limitBytes')?.toString(),
      sinceSeconds: sinceMs === undefined ? undefined : String(Math.max(1, Math.floor(sinceMs / 1000))),
      sinceTime,
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
