import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { uninitializedTaint } from '../controllers/cloud/cloud-node.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import { createIngress } from '../ingress/ingress.ts'
import { createKubelet } from '../kubelet/kubelet.ts'
import { kubeletRootDir } from '../kubelet/root-directory.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { sameOffset, sameSubrange } from '../lib/ip-address.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { meshNodeAccess } from '../mesh/node-access.ts'
import { createShellPool } from '../lib/shell-pool.ts'
import { createNetwork } from '../network/network.ts'
import { createDockerRuntime } from '../runtime/docker/docker-runtime.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import { dnsAddresses, type Membership } from './membership-file.ts'
import { createFenceProcess } from './fence-process.ts'
import { createFencing } from './fencing.ts'
import { lowestOomScoreAdjust } from './oom-score.ts'
import { defaultDataDir, paths, type Settings } from './settings.ts'

export interface NodeParts {
  settings: Settings
  membership: Membership
  mesh: Mesh
  decisions: DecisionLog
  informers: Informers
  client: Client
  events(component: string): EventRecorder
  clock: Clock
  random: Random
  logger: Logger
}

/** What makes the machine a node: runtime, network, kubelet, in the order in which they start. */
export interface NodeServices {
  services: Service[]
  access: NodeAccess
  loadImages(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string[]>
}

/** Programs that network and ingress run at once: rules, links, conntrack, a listing that takes its time. */
const shellCount = 4
/** A node's part of the pods' IPv6 range, as everybody has it. */
const podBits6 = 64
/** Sandboxes kept ready: a pod then starts in a fifth of the time. */
const warmSandboxes = 4

export async function createNodeServices(parts: NodeParts): Promise<NodeServices> {
  const { settings, membership, mesh, decisions, informers, client, events, clock, random, logger } = parts
  const { config, self } = membership
  const nodeIp = settings.advertiseAddress
  const runtime = createDockerRuntime({
    socketPath: settings.dockerSocket,
    clock,
    logger,
    warmSandboxes,
    stateDir: join(settings.dataDir, 'runtime'),
    minOomScoreAdjust: lowestOomScoreAdjust(),
  })
  const shells = createShellPool({ size: shellCount })
  const podCidr6 = config.ipv6 && sameSubrange(self.podCidr, config.podCidr, config.ipv6.podCidr, podBits6)
  const [, dnsIp6] = dnsAddresses(config)
  const network = await createNetwork({
    nodeName: self.node,
    nodeIp,
    podCidr: self.podCidr,
    clusterCidr: config.podCidr,
    serviceCidr: config.serviceCidr,
    ...(config.ipv6 && podCidr6 && dnsIp6 !== undefined
      ? {
          ipv6: {
            podCidr: podCidr6,
            clusterCidr: config.ipv6.podCidr,
            serviceCidr: config.ipv6.serviceCidr,
            dnsIp: dnsIp6,
          },
        }
      : {}),
    clusterDomain: config.clusterDomain,
    dnsIp: config.dnsIp,
    apiPort: settings.apiPort,
    isLinkUntrusted: settings.linkTrust === 'untrusted',
    keyFile: paths(settings.dataDir).linkKey,
    async sandboxPid(podUid) {
      const found = (await runtime.list()).find(
        ({ role, pod, state }) => role === 'sandbox' && pod.uid === podUid && state === 'running',
      )
      return found?.pid
    },
    informers,
    events: events('network'),
    exec: shells.exec,
    clock,
    random,
    logger,
  })
  const fencing = createFencing({
    nodeName: self.node,
    informers,
    leaseSinceMs: () => decisions.leaseSinceMs(),
    isAlone: () => decisions.members().length <= 1,
    fail: (podUid, failure, graceMs) => kubelet.fail(podUid, failure, graceMs),
    containers: () => kubelet.liveContainers(),
    fenceProcess: createFenceProcess({
      directory: paths(settings.dataDir).fence,
      id: Buffer.from(random.bytes(8)).toString('hex'),
    }),
    clock,
    logger,
  })
  const kubelet = createKubelet({
    nodeName: self.node,
    nodeIp,
    podCidr: self.podCidr,
    ...(podCidr6 ? { podCidr6, secondPodIp: (ip) => sameOffset(ip, self.podCidr, podCidr6) } : {}),
    client,
    informers,
    runtime,
    podNetwork: network.pods,
    events: events('kubelet'),
    clock,
    random,
    logger,
    dataDir: paths(settings.dataDir).kubelet,
    // Only the machine's own agent: one of several has no claim to the name.
    ...(settings.dataDir === defaultDataDir ? { rootDir: kubeletRootDir } : {}),
    memoryVolumes: true,
    clusterDns: dnsAddresses(config),
    clusterDomain: config.clusterDomain,
    // The way to the other nodes serves this one's kubelet too, and is made of it.
    nodeAccess: { open: (node, request, signal) => access.open(node, request, signal) },
    mayStart: (pod) => fencing.mayStart(pod),
    beforeStart: (pod, containerId) => fencing.beforeStart(pod, containerId),
    nodeAnnotations: network.nodeAnnotations,
    // Upstream's kubelets with --cloud-provider=external do the same.
    nodeTaints:
      settings.cloudProvider === 'external' ? [{ key: uninitializedTaint, value: 'true', effect: 'NoSchedule' }] : [],
    nodeLabels: settings.zone ? { 'topology.kubernetes.io/zone': settings.zone } : {},
  })
  const ingress = createIngress({
    nodeName: self.node,
    dir: paths(settings.dataDir).ingress,
    httpPort: settings.ingressHttpPort,
    httpsPort: settings.ingressHttpsPort,
    informers,
    client,
    events: events('ingress'),
    exec: shells.exec,
    clock,
    random,
    logger,
  })
  const access: NodeAccess = meshNodeAccess({
    mesh,
    clock,
    self: self.node,
    peerOf: (name) => decisions.members().find((member) => member.node === name)?.peer,
    server: kubelet,
  })
  return {
    services: [
      { start: async () => undefined, stop: () => runtime.close() },
      { start: async () => undefined, stop: async () => shells.stop() },
      network,
      kubelet,
      fencing,
      ingress,
    ],
    access,
    async loadImages(archive, signal) {
      const names = await runtime.load(archive, signal)
      kubelet.imagesChanged()
      return names
    },
  }
}
