import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/api/object.ts'
import { eventually } from '../support/cluster.ts'
import { type ChaosCluster, type ChaosNode, statusOf } from './chaos-cluster.ts'
import { differences } from './checks.ts'
import { configMaps, count, createAndDelete, createServices, type Load, namespace, patchShared } from './clients.ts'
import { healNode, injectFaults } from './faults.ts'
import { emptyHistory, type History, settled } from './history.ts'
import { runForElection } from './lease-client.ts'
import { seededRandom } from '../../src/lib/seeded-random.ts'
import { recordWatch, type WatchRecorder } from './watch-recorder.ts'

/** What one run left behind, for the checks. */
export interface ChaosRun {
  readonly history: History
  readonly configMapWatches: ReadonlyMap<ChaosNode, WatchRecorder>
  readonly podWatches: ReadonlyMap<ChaosNode, WatchRecorder>
  /** Node that each pod was seen on, by uid of the pod, in the order of the events. */
  readonly bindings: readonly (readonly [pod: string, node: string])[]
  stopWatching(): Promise<void>
}

/** Long: the machine may be busy with others, and no verdict depends on how soon it is. */
const patienceMs = 120_000
const allPods = '/api/v1/pods'

/** What all clients share, made while the cluster is whole. */
async function prepare(cluster: ChaosCluster): Promise<void> {
  const [{ client }] = cluster.nodes as [ChaosNode]
  const make = (path: string, body: KubeObject): Promise<unknown> => client.json({ method: 'POST', path, body })
  await make('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  const configMap = (name: string, data: Record<string, string>): KubeObject =>
    ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }) as KubeObject
  await make(configMaps, configMap('counter', { count: '0', writer: 'none' }))
  await make(configMaps, configMap('shared', {}))
  for (const node of cluster.nodes)
    await eventually(`${node.name} has what is shared`, () => node.client.json({ path: `${configMaps}/shared` }))
}

/** Asks every node again and again who leads. */
async function sampleLeaders(cluster: ChaosCluster, history: History, signal: AbortSignal): Promise<void> {
  await Promise.all(
    cluster.nodes.map(async (node) => {
      while (!signal.aborted) {
        const { value } = await settled(statusOf(node))
        if (value?.leader) history.leaders.push({ node: node.name, term: value.term, leader: value.leader })
        await sleep(250)
      }
    }),
  )
}

/** Runs clients and faults side by side for the time, then heals everything and waits until the cluster is whole. */
export async function runChaos(cluster: ChaosCluster, seed: number, durationMs: number): Promise<ChaosRun> {
  await prepare(cluster)
  const history = emptyHistory()
  const bindings: (readonly [string, string])[] = []
  const working = new AbortController()
  const watching = new AbortController()
  setMaxListeners(0, watching.signal)
  const recordAll = (path: string, onEvent?: (type: string, object: KubeObject) => void) =>
    new Map(cluster.nodes.map((node) => [node, recordWatch(node, path, watching.signal, onEvent)]))
  const configMapWatches = recordAll(configMaps)
  const podWatches = recordAll(allPods, (_, pod) => {
    const { nodeName } = (pod as { spec?: { nodeName?: string } }).spec ?? {}
    if (nodeName) bindings.push([`${pod.metadata.name} ${pod.metadata.uid}`, nodeName])
  })
  const stopWatching = async (): Promise<void> => {
    watching.abort()
    await Promise.all([...configMapWatches.values(), ...podWatches.values()].map(({ done }) => done))
  }
  const startedMs = performance.now()
  const tell = (what: string): void => {
    history.faults.push(`${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${what}`)
    console.log(`chaos: ${history.faults.at(-1)}`)
  }
  const clients = cluster.nodes.flatMap((node, at) => {
    const load = (kind: number): Load => ({
      node,
      history,
      signal: working.signal,
      random: seededRandom(seed + 100 * kind + at).next,
    })
    return [
      createAndDelete(load(1)),
      patchShared(load(2)),
      count(load(3)),
      createServices(load(4)),
      runForElection(load(5)),
    ]
  })
  const sampling = sampleLeaders(cluster, history, working.signal)
  try {
    await injectFaults(cluster, seededRandom(seed).next, durationMs, tell)
  } catch (error) {
    await stopWatching()
    throw error
  } finally {
    for (const node of cluster.nodes) await healNode(node)
    await sleep(1_000)
    working.abort()
    await Promise.all([...clients, sampling])
  }
  tell('the clients ended')
  await wholeAgain(cluster)
  tell('whole again')
  return { history, configMapWatches, podWatches, bindings, stopWatching }
}

const compared = [
  '/api/v1/namespaces',
  '/api/v1/configmaps',
  '/api/v1/services',
  '/api/v1/pods',
  '/api/v1/secrets',
  '/api/v1/nodes',
  '/apis/apps/v1/deployments',
  '/apis/apps/v1/replicasets',
  '/apis/discovery.k8s.io/v1/endpointslices',
]

/** Every object of the kinds that are compared, as one node lists them. */
export async function objectsOf(node: ChaosNode): Promise<KubeObject[]> {
  const lists = await Promise.all(
    compared.map((path) => node.client.json<{ kind: string; items: KubeObject[] }>({ path })),
  )
  return lists.flatMap(({ kind, items }) => items.map((item) => ({ ...item, kind: kind.replace(/List$/, '') })))
}

/** Waits until all nodes are Ready in everyone's eyes, and list the same objects. */
async function wholeAgain({ nodes }: ChaosCluster): Promise<void> {
  for (const node of nodes)
    await eventually(
      `${node.name} sees all nodes Ready`,
      async () => {
        const status = await statusOf(node)
        return (
          status.leader !== null && status.nodes.length === nodes.length && status.nodes.every(({ ready }) => ready)
        )
      },
      patienceMs,
    )
  let last: string[] = []
  await eventually(
    'all nodes list the same',
    async () => {
      const [first, ...others] = await Promise.all(nodes.map(objectsOf))
      last = others.flatMap((other) => differences(first!, other))
      return last.length === 0
    },
    patienceMs,
    500,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${last.slice(0, 20).join('\n')}`)
  })
}
