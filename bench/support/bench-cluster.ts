import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectionFromKubeconfig } from '../../src/client/kubeconfig.ts'
import { createRestClient, type RestClient } from '../../src/client/rest-client.ts'
import { execOk } from '../../src/lib/exec.ts'
import { dockerSocket, down, up, type LocalSettings } from '../../src/local/cluster.ts'
import { clustersDir, localNodes, type LocalCluster, type LocalNode } from '../../src/local/layout.ts'
import { firstProcess } from '../../src/local/machine.ts'
import { ensurePrerequisites } from '../../src/local/prerequisites.ts'
import { listClusters } from '../../src/local/state.ts'

/** The image that pods of the benches run: Debian's busybox and nothing else. */
export const benchImage = 'stormo-hello:1'

export interface RunningCluster {
  readonly cluster: LocalCluster
  readonly nodes: readonly LocalNode[]
  /** Talks to one node's API over HTTPS. */
  client(index: number): RestClient
}

/** The cluster that the benches of a run share. */
export interface BenchCluster {
  readonly settings: LocalSettings
  /** Starts it at the first call. */
  get(): Promise<RunningCluster>
  /** Removes it, if it is there; also half of it. */
  release(): Promise<void>
}

const root = clustersDir(process.env)
const repository = fileURLToPath(new URL('../..', import.meta.url))

export function benchCluster(scratchDir: string, progress: (line: string) => void): BenchCluster {
  const settings: LocalSettings = { root, launcher: join(repository, 'cli/stormo'), progress }
  const name = benchClusterName('stormo')
  let starting: Promise<RunningCluster> | undefined
  const clients = new Map<number, RestClient>()

  async function start(): Promise<RunningCluster> {
    await ensurePrerequisites(progress)
    const cluster = await up(settings, { name, nodeCount: 3, uplink: false, isDualStack: false, agentArgs: [] })
    const nodes = localNodes(root, cluster)
    const archive = await buildImage(scratchDir)
    for (const node of nodes) await loadImage(node, archive)
    return {
      cluster,
      nodes,
      client(index) {
        const known = clients.get(index)
        if (known) return known
        const client = clientOf(nodes[index]!)
        clients.set(index, client)
        return client
      },
    }
  }

  return {
    settings,
    get: () => (starting ??= start()),
    async release() {
      for (const client of clients.values()) client.close()
      clients.clear()
      await starting?.catch(() => undefined)
      starting = undefined
      const left = listClusters(root).find((one) => one.name === name)
      if (left) await down(settings, left)
    },
  }
}

/** Of this process, so that two runs do not meet. */
export const benchClusterName = (what: string): string => `bench-${what}-${process.pid}`

/** Removes what runs left that were killed and could not clean up after themselves. */
export async function removeLeftovers(settings: LocalSettings): Promise<void> {
  for (const cluster of listClusters(root)) {
    const pid = /^bench-[a-z]+-(\d+)$/.exec(cluster.name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await down(settings, cluster)
  }
}

function clientOf(node: LocalNode): RestClient {
  const text = readFileSync(join(node.dir, 'etc-stormo', 'kubeconfig'), 'utf8')
  const connection = connectionFromKubeconfig(text, (path) => readFileSync(path, 'utf8'))
  return createRestClient({ ...connection, server: `https://${node.address}:${new URL(connection.server).port}` })
}

/** Builds the archive of {@link benchImage}; returns its path. */
export async function buildImage(scratchDir: string): Promise<string> {
  const archive = join(scratchDir, 'hello.tar')
  if (!existsSync(archive)) await execOk(join(repository, 'examples/hello/build-image.sh'), [archive, benchImage])
  return archive
}

export async function loadImage(node: LocalNode, archive: string): Promise<void> {
  await docker(node, ['load', '--quiet', '--input', archive])
}

/** The docker command against a machine's daemon. */
export function docker(node: LocalNode, args: readonly string[]): Promise<string> {
  return execOk('docker', ['--host', `unix://${dockerSocket(node)}`, ...args], { timeoutMs: 120_000 })
}

/** The host's process ids of the processes in a machine whose command line matches. */
export function processesInside(node: LocalNode, commandLine: RegExp): number[] {
  const namespace = readlinkSync(`/proc/${firstProcess(node)}/ns/pid`)
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return false
        return commandLine.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
      } catch {
        // It ended while we looked.
        return false
      }
    })
    .map(Number)
}
