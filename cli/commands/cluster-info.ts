import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Pod } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { parseDurationMs } from '../../src/lib/duration.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { podPath } from '../pods.ts'
import { paletteOf } from '../printers/colour.ts'
import { printObject } from '../printers/object.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'
import { waitForPod } from '../wait-for-pod.ts'

/** What a dump holds of each namespace: file, kind of the list, path below the namespace. */
const dumped: readonly (readonly [file: string, kind: string, apiVersion: string, resource: string])[] = [
  ['events', 'EventList', 'v1', 'events'],
  ['replication-controllers', 'ReplicationControllerList', 'v1', 'replicationcontrollers'],
  ['services', 'ServiceList', 'v1', 'services'],
  ['daemonsets', 'DaemonSetList', 'apps/v1', 'daemonsets'],
  ['deployments', 'DeploymentList', 'apps/v1', 'deployments'],
  ['replicasets', 'ReplicaSetList', 'apps/v1', 'replicasets'],
  ['pods', 'PodList', 'v1', 'pods'],
]

const dumpCommand: CommandDefinition = {
  name: 'dump',
  summary: 'Write out the state of the cluster, with logs, to look for a fault',
  options: [
    ...namespaceOptions,
    { flags: '--output-directory <directory>', summary: 'files below it; - is standard output', default: '-' },
    { flags: '--namespaces <names>', summary: 'of these namespaces (default: the current one and kube-system)' },
    { flags: '-A, --all-namespaces', summary: 'of all namespaces' },
    { flags: '-o, --output <format>', summary: 'json or yaml', default: 'json' },
    { flags: '--pod-running-timeout <duration>', summary: 'how long to wait for a pod to run', default: '20s' },
  ],
  run: (invocation) => withClient(invocation, (client) => dump(invocation, client)),
}

export const clusterInfoCommand: CommandDefinition = {
  name: 'cluster-info',
  summary: 'Where the cluster answers',
  options: namespaceOptions,
  commands: [dumpCommand],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const { io } = invocation
      const palette = paletteOf(invocation)
      const say = (what: string, url: string): void =>
        io.out(`${palette('good', what)} is running at ${palette('waiting', url)}\n`)
      say('Kubernetes control plane', client.connection.server)
      const { items } = await client.json<{ items: KubeObject[] }>({
        path: '/api/v1/namespaces/kube-system/services',
        query: { labelSelector: 'kubernetes.io/cluster-service=true' },
      })
      for (const { metadata } of items)
        say(
          metadata.labels?.['kubernetes.io/name'] ?? metadata.name ?? '',
          `${client.connection.server}/api/v1/namespaces/kube-system/services/${metadata.name}/proxy`,
        )
      io.out("\nTo further debug and diagnose cluster problems, use 'stormo cluster-info dump'.\n")
    }),
}

async function dump(invocation: Invocation, client: RestClient): Promise<void> {
  const { io } = invocation
  const directory = option.text(invocation, 'outputDirectory') ?? '-'
  const format = option.text(invocation, 'output') ?? 'json'
  if (format !== 'json' && format !== 'yaml') throw new UsageError(`--output must be 'json' or 'yaml'`)
  const write = (path: string, text: string): void => {
    if (directory === '-') return io.out(text)
    const file = join(directory, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const list = async (path: string, kind: string, apiVersion: string): Promise<KubeObject[]> => {
    const items = (await client.json<{ items: KubeObject[] }>({ path })).items
    return [{ apiVersion, kind, metadata: {}, items } as KubeObject]
  }
  const writeList = async (file: string, path: string, kind: string, apiVersion: string): Promise<KubeObject[]> => {
    const [whole] = await list(path, kind, apiVersion)
    write(`${file}.${format}`, printObject(whole!, format) ?? '')
    return (whole as KubeObject & { items: KubeObject[] }).items
  }
  await writeList('nodes', '/api/v1/nodes', 'NodeList', 'v1')
  for (const namespace of await namespacesOf(invocation, client)) {
    let pods: KubeObject[] = []
    for (const [file, kind, apiVersion, resource] of dumped) {
      const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
      pods = await writeList(`${namespace}/${file}`, `${root}/namespaces/${namespace}/${resource}`, kind, apiVersion)
    }
    for (const pod of pods as Pod[])
      write(`${namespace}/${pod.metadata.name}/logs.txt`, await logsOf(invocation, client, pod))
  }
  if (directory !== '-') io.out(`Cluster info dumped to ${directory}\n`)
}

async function namespacesOf(invocation: Invocation, client: RestClient): Promise<string[]> {
  const asked = option.text(invocation, 'namespaces')
  if (asked !== undefined) return asked.split(',')
  if (!option.flag(invocation, 'allNamespaces')) return [namespaceOf(invocation, client), 'kube-system']
  const { items } = await client.json<{ items: KubeObject[] }>({ path: '/api/v1/namespaces' })
  return items.map(({ metadata }) => metadata.name ?? '')
}

/** The pod's logs, container by container; where there are none, why. */
async function logsOf(invocation: Invocation, client: RestClient, pod: Pod): Promise<string> {
  const { name = '', namespace = '' } = pod.metadata
  const timeoutMs = parseDurationMs(option.text(invocation, 'podRunningTimeout') ?? '20s') ?? 0
  const texts: string[] = []
  try {
    const hasStarted = (one: Pod): boolean => (one.status?.phase ?? 'Pending') !== 'Pending'
    await waitForPod(client, podPath(namespace, name), hasStarted, timeoutMs, invocation.io)
    const { initContainers = [], containers = [] } = pod.spec ?? {}
    for (const { name: container } of [...initContainers, ...containers]) {
      const head = `==== START logs for container ${container} of pod ${namespace}/${name} ====\n`
      const { text } = await client.send({ path: podPath(namespace, name, 'log'), query: { container }, accept: '*/*' })
      texts.push(`${head}${text}==== END logs for container ${container} of pod ${namespace}/${name} ====\n`)
    }
  } catch (error) {
    texts.push(`${error instanceof Error ? error.message : String(error)}\n`)
  }
  return texts.join('')
}
