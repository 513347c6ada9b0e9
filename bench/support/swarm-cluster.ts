import { existsSync } from 'node:fs'
import { join } from 'node:path'
import Docker from 'dockerode'
import { down, type LocalSettings } from '../../src/local/cluster.ts'
import { localNodes, type LocalCluster, type LocalNode } from '../../src/local/layout.ts'
import { firstProcess, powerOn, spawnInside } from '../../src/local/machine.ts'
import { createClusterState } from '../../src/local/state.ts'
import { createSwitch, plugIn } from '../../src/local/switch.ts'
import { benchClusterName, buildImage, docker, loadImage } from './bench-cluster.ts'
import { until } from './load.ts'

export interface SwarmService {
  name: string
  image: string
  command: readonly string[]
  /** Undefined: Docker's default bridge. */
  network?: string
}

/** A Swarm of three managers on machines like those of our own local clusters. */
export interface SwarmCluster {
  createOverlay(name: string): Promise<void>
  createService(service: SwarmService): Promise<void>
  scale(name: string, replicas: number): Promise<void>
  runningTasks(name: string): Promise<number>
  /** Resolves when its containers are gone, too. */
  removeService(name: string): Promise<void>
  stop(): Promise<void>
}

const waiting = { timeoutMs: 60_000, everyMs: 50, signal: AbortSignal.timeout(600_000) }

/** Starts the machines with the Docker daemon that Debian has, and makes a Swarm of them. */
export async function swarmCluster(settings: LocalSettings, scratchDir: string): Promise<SwarmCluster> {
  const name = benchClusterName('swarm')
  const cluster = createClusterState(settings.root, { name, nodeCount: 3, uplink: false, isDualStack: false })
  const nodes = localNodes(settings.root, cluster)
  try {
    await createSwitch(cluster)
    for (const node of nodes) await plugIn(cluster, node)
    const hosts = ['127.0.0.1 localhost', ...nodes.map((node) => `${node.address} ${node.name}`), ''].join('\n')
    await Promise.all(nodes.map((node) => powerOn(node, { hosts, resolvConf: '' })))
    await Promise.all(nodes.map(startDocker))
    const archive = await buildImage(scratchDir)
    for (const node of nodes) await loadImage(node, archive)
    await formSwarm(nodes)
    return controls(settings, cluster, nodes[0]!)
  } catch (error) {
    await down(settings, cluster)
    throw error
  }
}

/** Swarm mode is refused with --live-restore, and needs Docker's own bridge for its tasks. */
async function startDocker(node: LocalNode): Promise<void> {
  spawnInside(node, '/usr/sbin', 'dockerd', [
    'dockerd',
    '--data-root', join(node.dir, 'docker'),
    '--host', 'unix:///run/docker.sock',
    '--userland-proxy=false',
    '--exec-opt', 'native.cgroupdriver=cgroupfs',
    '--cgroup-parent', `/${node.cgroup}`,
    '--shutdown-timeout', '2',
  ]) // prettier-ignore
  await until(`dockerd of ${node.name}`, waiting, async () =>
    existsSync(socketOf(node)) && (await docker(node, ['version']).catch(() => undefined)) ? true : undefined,
  )
}

const socketOf = (node: LocalNode): string => join('/proc', String(firstProcess(node)), 'root/run/docker.sock')

async function formSwarm([first, ...others]: readonly LocalNode[]): Promise<void> {
  await docker(first!, ['swarm', 'init', '--advertise-addr', first!.address])
  const token = (await docker(first!, ['swarm', 'join-token', '--quiet', 'manager'])).trim()
  for (const node of others) {
    const join = ['swarm', 'join', '--advertise-addr', node.address, '--token', token, `${first!.address}:2377`]
    await docker(node, join)
  }
}

function controls(settings: LocalSettings, cluster: LocalCluster, manager: LocalNode): SwarmCluster {
  const engine = new Docker({ socketPath: socketOf(manager) })
  const filters = (name: string): string => JSON.stringify({ service: [name] })
  return {
    async createOverlay(name) {
      await engine.createNetwork({ Name: name, Driver: 'overlay' })
    },
    async createService({ name, image, command, network }) {
      await engine.createService({
        Name: name,
        TaskTemplate: {
          ContainerSpec: { Image: image, Args: [...command], StopGracePeriod: 1_000_000_000 },
          Networks: network ? [{ Target: network }] : undefined,
        },
        Mode: { Replicated: { Replicas: 1 } },
      })
    },
    async scale(name, replicas) {
      const service = engine.getService(name)
      const { Version, Spec } = (await service.inspect()) as { Version: { Index: number }; Spec: object }
      await service.update({ version: Version.Index, ...Spec, Mode: { Replicated: { Replicas: replicas } } })
    },
    async runningTasks(name) {
      const tasks = (await engine.listTasks({ filters: filters(name) })) as { Status: { State: string } }[]
      return tasks.filter((task) => task.Status.State === 'running').length
    },
    async removeService(name) {
      await engine.getService(name).remove()
      await until('the end of the tasks', waiting, async () => {
        const left = await engine.listContainers({ filters: { label: [`com.docker.swarm.service.name=${name}`] } })
        return left.length === 0 ? true : undefined
      })
    },
    stop: () => down(settings, cluster),
  }
}
