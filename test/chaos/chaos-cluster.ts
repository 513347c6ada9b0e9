import { readFileSync } from 'node:fs'
import { connectionFromKubeconfig } from '../../src/client/kubeconfig.ts'
import { createRestClient, type RestClient } from '../../src/client/rest-client.ts'
import { run, stormo, stormoOk } from '../support/cluster.ts'
import { giveSmallDisk, takeSmallDisk } from './small-disk.ts'

/** A machine of the cluster under test, with what reaches it from this host. */
export interface ChaosNode {
  readonly name: string
  readonly cluster: string
  readonly address: string
  readonly netns: string
  readonly client: RestClient
}

export interface ChaosCluster {
  readonly name: string
  readonly nodes: readonly ChaosNode[]
}

export interface NodeStatus {
  leader: string | null
  term: number
  nodes: {
    name: string
    ready: boolean
    voter: boolean
    lagMs: number
    replica: { diskFault: string | null } | null
  }[]
}

const namesOf = (cluster: string): string[] => [1, 2, 3].map((index) => `${cluster}-${index}`)

/** Starts three machines of small disks under the name, in place of any that are left of an earlier run. */
export async function startCluster(name: string): Promise<ChaosCluster> {
  await removeCluster(name)
  for (const node of namesOf(name)) await giveSmallDisk(name, node)
  await stormoOk('cluster', 'up', '--name', name, '--nodes', '3')
  const nodes: ChaosNode[] = []
  for (const node of namesOf(name)) {
    const kubeconfig = await stormoOk('cluster', 'kubeconfig', '--name', name, '--node', node)
    const connection = connectionFromKubeconfig(kubeconfig, (path) => readFileSync(path, 'utf8'))
    const address = new URL(connection.server).hostname
    nodes.push({ name: node, cluster: name, address, netns: `stormo-${node}`, client: createRestClient(connection) })
  }
  return { name, nodes }
}

/** Removes the machines, whatever is left of them. */
export async function removeCluster(name: string): Promise<void> {
  for (const node of namesOf(name)) await takeSmallDisk(name, node)
  await stormo('cluster', 'down', '--name', name)
}

/** Who leads and who is there, as the node itself says. Fails when it does not answer. */
export const statusOf = ({ client }: ChaosNode): Promise<NodeStatus> =>
  client.json<NodeStatus>({ path: '/stormo/v1/status', timeoutMs: 2_000 })

/** Process id, on this host, of the node's agent; undefined when none runs. */
export async function agentOf({ netns }: ChaosNode): Promise<number | undefined> {
  const { stdout } = await run('ip', ['netns', 'pids', netns])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
    .find((pid) => /main\.[tj]s\0agent\0/.test(commandLine(pid)))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // It ended meanwhile.
  }
}

/** Runs nft in the network namespace of the node; `text` is a script. */
export async function nft({ netns }: ChaosNode, text: string): Promise<void> {
  const output = await run('ip', ['netns', 'exec', netns, 'nft', '-f', '-'], { input: text })
  if (output.code !== 0) throw new Error(`nft in ${netns}: ${output.stderr}`)
}
