import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod, PodSpec } from '../../../src/api/kinds.ts'
import { refs, type Client } from '../../../src/client/client.ts'
import { measurePressure, type Pressure } from '../../../src/kubelet/node/machine.ts'
import { createKubelet, type Kubelet } from '../../../src/kubelet/kubelet.ts'
import type { PodNetwork } from '../../../src/kubelet/options.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../src/kubelet/testing/memory-cluster.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/log.ts'
import { systemClock, systemRandom } from '../../../src/lib/system.ts'
import { createDockerRuntime } from '../../../src/runtime/docker/docker-runtime.ts'
import type { ContainerRuntime } from '../../../src/runtime/runtime.ts'
import { dockerMachine, importBusybox, type DockerMachine } from './docker-machine.ts'
import { createVethNetwork } from './veth-network.ts'

/** One real node: daemon, runtime, kubelet; the API is in memory. */
export interface NodeFixture {
  readonly machine: DockerMachine
  readonly cluster: MemoryCluster
  readonly network: PodNetwork
  kubelet(): Kubelet
  runtime(): ContainerRuntime
  run(name: string, spec: PodSpec, metadata?: Partial<Pod['metadata']>): Pod
  pod(name: string): Pod | undefined
  /** Polls until the pod satisfies the condition; fails with its status after the deadline. */
  until(name: string, what: string, condition: (pod: Pod | undefined) => boolean): Promise<Pod | undefined>
  /** A new agent in place of the old one, which is let go first. */
  restartAgent(): Promise<void>
  /** A new agent beside the old one, which is left as it is: dead. */
  replaceAgent(): Promise<void>
  down(): Promise<void>
}

const untilTimeoutMs = 30_000

/** What an agent acts through: it can be taken from it. */
export interface AgentHands {
  readonly runtime: ContainerRuntime
  readonly network: PodNetwork
  readonly client: Client
}

export interface NodeFixtureOptions {
  readonly clock?: Clock
  /** What is left of the machine; undefined: as it is. */
  readonly pressure?: () => Pressure | undefined
  /** Stands between each new agent and the machine. */
  readonly between?: (hands: AgentHands) => AgentHands
}

export async function nodeFixture(
  prefix: string,
  warmSandboxes = 0,
  { clock = systemClock, pressure, between = (hands) => hands }: NodeFixtureOptions = {},
): Promise<NodeFixture> {
  const machine = await dockerMachine()
  await importBusybox(machine)
  const cluster = createMemoryCluster(() => systemClock.nowMs())
  const network = createVethNetwork(prefix)
  let agent = await startAgent()

  async function startAgent(): Promise<{ kubelet: Kubelet; runtime: ContainerRuntime }> {
    const runtime = createDockerRuntime({
      socketPath: machine.socketPath,
      clock: systemClock,
      logger: silentLogger,
      warmSandboxes,
      stateDir: join(machine.directory, 'runtime'),
      minOomScoreAdjust: 0,
    })
    const hands = between({ runtime, network, client: cluster.client })
    const kubelet = createKubelet({
      nodeName: 'node-1',
      nodeIp: `${prefix}.1`,
      podCidr: `${prefix}.0/24`,
      client: hands.client,
      informers: cluster.informers,
      runtime: hands.runtime,
      podNetwork: hands.network,
      events: cluster.events,
      clock,
      random: systemRandom,
      logger: silentLogger,
      dataDir: join(machine.directory, 'kubelet'),
      memoryVolumes: true,
      clusterDns: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      pressure: async () => pressure?.() ?? measurePressure(machine.directory),
    })
    await kubelet.start()
    return { kubelet, runtime }
  }

  async function stopAgent(): Promise<void> {
    await agent.kubelet.stop()
    await agent.runtime.close()
  }

  const pod = (name: string): Pod | undefined => cluster.get<Pod>(refs.pods, 'default', name)

  return {
    machine,
    cluster,
    network,
    kubelet: () => agent.kubelet,
    runtime: () => agent.runtime,
    run: (name, spec, metadata) =>
      cluster.put<Pod>(refs.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', ...metadata },
        spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 2, ...spec },
      }),
    pod,
    async until(name, what, condition) {
      const deadline = performance.now() + untilTimeoutMs
      while (!condition(pod(name))) {
        if (performance.now() > deadline) {
          throw new Error(`${name} is not ${what}: ${JSON.stringify(pod(name)?.status, null, 1)}`)
        }
        await sleep(20)
      }
      return pod(name)
    },
    async restartAgent() {
      await stopAgent()
      agent = await startAgent()
    },
    async replaceAgent() {
      // A dead process fills no pool.
      await agent.runtime.close()
      agent = await startAgent()
    },
    async down() {
      await stopAgent()
      for (const { podUid } of await network.list()) await network.detach(podUid)
      await machine.down()
    },
  }
}

export const isReady = (pod: Pod | undefined): boolean =>
  pod?.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true
