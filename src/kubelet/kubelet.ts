import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod, Volume } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { assert } from '../lib/assert.ts'
import type { Service } from '../lib/service.ts'
import type { RuntimeImage } from '../runtime/runtime.ts'
import type { NodeServer } from '../streams/node-access.ts'
import { createEvictionManager } from './eviction/eviction-manager.ts'
import { createCsiDrivers, type CsiDrivers } from './csi/csi-drivers.ts'
import { createCsiVolumes } from './csi/csi-volumes.ts'
import { createNvidiaPlugin } from './devices/nvidia-plugin.ts'
import { imageCredentials } from './images/credentials.ts'
import { createImageCollector } from './images/image-collector.ts'
import { createImageServer, type ImageServer } from './images/image-server.ts'
import { createImagePuller } from './images/image-puller.ts'
import { createPeerImages } from './images/peer-images.ts'
import { inspectMachine } from './node/machine.ts'
import { nodeAllocatable, nodeCapacity } from './node/node-object.ts'
import { createNodeReporter, type NodeReporter } from './node/node-reporter.ts'
import { isTerminalPhase, type StartFailure } from './core/pod-view.ts'
import { createDeviceManager } from './devices/device-manager.ts'
import { podReference, type KubeletOptions } from './options.ts'
import { parseResolvConf } from './pod/name-resolution.ts'
import type { PodContext } from './pod/pod-context.ts'
import { createPodWorkers, type PodWorkers } from './pod/pod-workers.ts'
import { createRuntimeObserver, type RuntimeObserver } from './pod/runtime-observer.ts'
import { createPluginRegistry } from './plugins/plugin-registry.ts'
import { nameRootDirectory } from './root-directory.ts'
import { createSemaphore } from './semaphore.ts'
import { createNodeServer } from './serve/node-server.ts'
import { createStatsSummary } from './serve/stats-summary.ts'
import { createStaticPods } from './static-pods/static-pods.ts'
import { createVolumeProvisioner } from './storage/volume-provisioner.ts'
import { createImageVolumes } from './volumes/image-volumes.ts'
import { mountMemoryDirectory } from './volumes/memory-directory.ts'
import { createPodVolumes } from './volumes/pod-volumes.ts'
import { createServiceAccountTokens } from './volumes/service-account-tokens.ts'

/** Sandboxes and containers started at a time: more only queue in the daemon. */
const startConcurrency = 6
const defaultParallelPulls = 4

/** The node's agent for pods: runs what is bound to it, reports it, and serves its streams. */
export interface Kubelet extends Service, NodeServer {
  /** Images on the node have changed outside the kubelet (load, remove). */
  imagesChanged(): void
  /** Ends a pod of this node for a cause of the node: it becomes Failed with this reason. */
  fail(podUid: string, failure: StartFailure, graceMs: number): void
  /** Ids of containers that have not ended, with their pods' uids; undefined until the runtime was asked. */
  liveContainers(): ReadonlyMap<string, string> | undefined
}

/**
 * Starting takes over whatever runs already: containers go on over restarts of the agent, and `stop` leaves them.
 * `start` does not wait for the runtime; until it answers, the node is NotReady and says why.
 */
export function createKubelet(options: KubeletOptions): Kubelet {
  const logger = options.logger.child({ component: 'kubelet' })
  const shared: KubeletOptions = { ...options, logger }
  const { clock, random, runtime } = options
  const stopping = new AbortController()
  let parts:
    | {
        workers: PodWorkers
        observer: RuntimeObserver
        reporter: NodeReporter
        drivers: CsiDrivers
        services: Service[]
        images: ImageServer
        server: NodeServer
      }
    | undefined

  const nextVersion = (): string =>
    `${new Date(clock.nowMs()).toISOString().replace(/[:.]/g, '_')}.${Buffer.from(random.bytes(5)).toString('hex')}`

  async function start(): Promise<void> {
    assert(parts === undefined, 'the kubelet was started twice')
    await mkdir(options.dataDir, { recursive: true, mode: 0o750 })
    if (options.memoryVolumes) await mountMemoryDirectory(options.dataDir)
    const machine = await inspectMachine(options.dataDir)
    const allocatable = nodeAllocatable(shared, nodeCapacity(shared, machine))
    const root = await nameRootDirectory(options.dataDir, options.rootDir, logger)
    const drivers = createCsiDrivers({ ...shared, onChange: () => parts?.workers.wakeAll() })
    const tokens = createServiceAccountTokens(options.client, clock)
    const csi = createCsiVolumes({ ...shared, root, drivers, tokens, onUse: () => parts?.reporter.changed() })
    await csi.restore()
    const pods = options.informers.for<Pod>(refs.pods)
    const devices = createDeviceManager({
      directory: join(root, 'device-plugins'),
      logger,
      onChange: () => parts?.reporter.changed(),
      isKnown: (uid) =>
        observer.of(uid).some(({ state }) => state === 'running') ||
        pods.list().some(({ metadata, status }) => metadata.uid === uid && !isTerminalPhase(status?.phase)),
    })
    const reporter = createNodeReporter(shared, machine, {
      volumesInUse: csi.inUse,
      devices: devices.resources,
      onRegistered: drivers.publishNode,
    })
    const observer = createRuntimeObserver({
      runtime,
      clock,
      logger,
      onChange: (uid) => parts?.workers.wake(uid),
      onHealth(error) {
        reporter.setRuntime(error)
        if (error === undefined) parts?.workers.wakeAll()
      },
    })
    const transfers = join(options.dataDir, 'image-transfers')
    const images = createImageServer(runtime, clock, join(transfers, 'out'))
    const puller = createImagePuller({
      runtime,
      clock,
      maxParallelPulls: options.maxParallelPulls ?? defaultParallelPulls,
      peers:
        options.nodeAccess &&
        createPeerImages({ ...shared, access: options.nodeAccess, directory: join(transfers, 'in') }),
    })
    const ensureImage = (pod: Pod, { image }: Volume, signal: AbortSignal): Promise<RuntimeImage> => {
      const wanted = {
        podUid: pod.metadata.uid ?? '',
        image: image?.reference ?? '',
        policy: image?.pullPolicy,
        credentials: imageCredentials(options.informers, pod, image?.reference ?? ''),
        say: (type: 'Normal' | 'Warning', reason: string, message: string) =>
          options.events.event(podReference(pod), type, reason, message),
      }
      return puller.ensure(wanted, signal)
    }
    const context: PodContext = {
      options: shared,
      observer,
      puller,
      volumes: createPodVolumes({
        dataDir: options.dataDir,
        tokens,
        csi,
        images: createImageVolumes({ ...shared, ensure: ensureImage }),
        nextVersion,
      }),
      devices,
      podIps: new Map((await options.podNetwork.list()).map(({ podUid, ip }) => [podUid, ip])),
      limit: createSemaphore(startConcurrency),
      runtimeName: () => reporter.runtimeVersion()?.name ?? 'docker',
      memoryCapacityBytes: machine.memoryBytes,
      allocatable: () => allocatable,
      nodeHostname: options.hostname ?? machine.hostname,
      nodeResolver: async () => parseResolvConf(await readFile('/etc/resolv.conf', 'utf8').catch(() => '')),
      nodeHosts: () => readFile('/etc/hosts', 'utf8').catch(() => ''),
    }
    const workers = createPodWorkers(context)
    const summary = createStatsSummary(context)
    const collector = createImageCollector(shared, () => reporter.imagesChanged())
    // In the order in which they start; they stop the other way round.
    const services: Service[] = [
      devices,
      createNvidiaPlugin({ directory: join(root, 'device-plugins'), logger }),
      reporter,
      observer,
      workers,
      createVolumeProvisioner({ ...shared, directory: join(options.dataDir, 'local-volumes') }),
      createPluginRegistry({
        directory: join(root, 'plugins_registry'),
        handlers: { CSIPlugin: drivers.handler },
        clock,
        logger,
      }),
      createStaticPods(shared, options.staticPodPath ?? join(options.dataDir, 'manifests')),
      collector,
      createEvictionManager({
        options: shared,
        summary,
        fail: (uid, failure, graceMs) => workers.fail(uid, failure, graceMs),
        collectImages: () => collector.removeUnused(),
        measure: options.pressure,
      }),
    ]
    const server = createNodeServer(context, summary, images)
    parts = { workers, observer, reporter, drivers, services, images, server }
    for (const service of services) await service.start()
  }

  return {
    start,
    async stop() {
      stopping.abort()
      for (const service of parts?.services.toReversed() ?? []) await service.stop()
      parts?.drivers.close()
      await parts?.images.stop()
    },
    imagesChanged: () => parts?.reporter.imagesChanged(),
    fail: (podUid, failure, graceMs) => parts?.workers.fail(podUid, failure, graceMs),
    liveContainers: () => parts?.observer.live(),
    async serve(request, channels, signal) {
      assert(parts !== undefined, 'the kubelet serves only after it was started')
      await parts.server.serve(request, channels, signal)
    },
  }
}
