import { isDeepStrictEqual } from 'node:util'
import type { ContainerImage, Lease, Node, NodeStatus } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Timer } from '../../lib/clock.ts'
import type { Service } from '../../lib/service.ts'
import type { RuntimeVersion } from '../../runtime/runtime.ts'
import { timeText } from '../core/container-status.ts'
import type { DeviceResources } from '../devices/device-manager.ts'
import type { KubeletOptions } from '../options.ts'
import { measurePressure, type Machine } from './machine.ts'
import { podCidrs, extendedResources, newNode, nodeLabels, nodeStatus } from './node-object.ts'

/** How often the node looks at itself. It writes only what has changed: liveness is told by others. */
const lookMs = 10_000
/** A write that fails is tried again sooner. */
const retryMs = 1_000
const leaseDurationSeconds = 40
const leaseRenewMs = 10_000
const leaseTimeoutMs = 5_000
const imagesMs = 60_000

/** Registers the node, keeps its status true, and renews its Lease as well as it can. */
export interface NodeReporter extends Service {
  /** Runtime's health as the observer sees it. */
  setRuntime(error: Error | undefined): void
  /** Images on the node have changed. */
  imagesChanged(): void
  /** Something else that the node tells of has changed. */
  changed(): void
  readonly runtimeVersion: () => RuntimeVersion | undefined
}

/** What others know of the node. */
export interface NodeParts {
  /** Names of attached volumes that are in use. */
  volumesInUse(): readonly string[]
  /** What plugins offer. */
  devices(): DeviceResources
  /** The Node exists. Tried again when it throws. */
  onRegistered(): Promise<void>
}

export function createNodeReporter(options: KubeletOptions, machine: Machine, parts: NodeParts): NodeReporter {
  const { client, clock, runtime, nodeName } = options
  const logger = options.logger.child({ part: 'node' })
  let version: RuntimeVersion | undefined
  let runtimeError: string | undefined = 'the runtime has not answered yet'
  let images: ContainerImage[] = []
  let imagesAtMs = -Infinity
  let written: Partial<NodeStatus> | undefined
  let timer: Timer | undefined
  let leaseTimer: Timer | undefined
  let looking: Promise<void> | undefined
  let again = false
  let announced = false
  let closed = false
  let unwatch: (() => void) | undefined

  function look(): void {
    again = true
    looking ??= run().finally(() => {
      looking = undefined
      if (again) look()
    })
  }

  async function run(): Promise<void> {
    again = false
    timer?.cancel()
    let delayMs = lookMs
    try {
      await report()
    } catch (error) {
      delayMs = retryMs
      logger.warn({ error: (error as Error).message }, 'node status could not be written; trying again')
    }
    if (!closed) timer = clock.after(delayMs, look)
  }

  async function report(): Promise<void> {
    if (runtimeError === undefined) {
      version ??= await runtime.version().catch(() => undefined)
      if (clock.monotonicMs() - imagesAtMs > imagesMs) await listImages()
    }
    const pressure = await (options.pressure?.() ?? measurePressure(options.dataDir))
    const volumesInUse = parts.volumesInUse()
    const devices = parts.devices()
    const facts = { machine, pressure, runtime: version, runtimeError, images, volumesInUse, devices }
    const current = await ensureNode()
    const status = nodeStatus(options, facts, current.status, timeText(clock.nowMs()))
    if (isDeepStrictEqual(status, written)) return announce()
    await client.mutate<Node>(
      refs.nodes,
      '',
      nodeName,
      (latest) => {
        const own = nodeStatus(options, facts, latest.status, timeText(clock.nowMs()))
        const foreign = (latest.status?.conditions ?? []).filter(
          (one) => !own.conditions?.some((mine) => mine.type === one.type),
        )
        return { ...latest, status: { ...latest.status, ...own, conditions: [...foreign, ...(own.conditions ?? [])] } }
      },
      { subresource: 'status' },
    )
    written = status
    await announce()
  }

  async function announce(): Promise<void> {
    if (announced) return
    await parts.onRegistered()
    announced = true
  }

  /** The Node exists, with our labels and our part of the pod network. */
  async function ensureNode(): Promise<Node> {
    const informer = options.informers.for<Node>(refs.nodes)
    const known = informer.get('', nodeName)
    if (known === undefined) {
      written = undefined
      announced = false
      try {
        return await client.create<Node>(refs.nodes, newNode(options, machine))
      } catch (error) {
        if (!isStatus(error, 'AlreadyExists')) throw error
        return client.get<Node>(refs.nodes, '', nodeName)
      }
    }
    const labels = nodeLabels(options, machine)
    const annotations = options.nodeAnnotations ?? {}
    const missing =
      Object.entries(labels).some(([key, value]) => known.metadata.labels?.[key] !== value) ||
      Object.entries(annotations).some(([key, value]) => known.metadata.annotations?.[key] !== value)
    if (!missing && known.spec?.podCIDR === options.podCidr) return known
    return client.mutate<Node>(refs.nodes, '', nodeName, (latest) => ({
      ...latest,
      metadata: {
        ...latest.metadata,
        labels: { ...latest.metadata.labels, ...labels },
        annotations: { ...latest.metadata.annotations, ...annotations },
      },
      spec: { ...latest.spec, podCIDR: options.podCidr, podCIDRs: podCidrs(options) },
    }))
  }

  async function listImages(): Promise<void> {
    imagesAtMs = clock.monotonicMs()
    const found = await runtime.images()
    images = found
      .map((image) => ({ names: [...image.digests, ...image.tags].slice(0, 5), sizeBytes: image.sizeBytes }))
      .filter((image) => image.names.length > 0)
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes || (a.names[0] ?? '').localeCompare(b.names[0] ?? ''))
  }

  /** A decided write: without a leader it fails, and nothing depends on it here. */
  async function renewLease(): Promise<void> {
    const renewTime = new Date(clock.nowMs()).toISOString().replace('Z', '000Z')
    const signal = AbortSignal.timeout(leaseTimeoutMs)
    const spec = { holderIdentity: nodeName, leaseDurationSeconds, renewTime }
    try {
      await client.mutate<Lease>(
        refs.leases,
        'kube-node-lease',
        nodeName,
        (lease) => ({ ...lease, spec: { ...lease.spec, ...spec } }),
        { signal },
      )
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error
      const node = options.informers.for<Node>(refs.nodes).get('', nodeName)
      const { name = '', uid = '' } = node?.metadata ?? {}
      if (uid === '') return
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid }]
      const metadata = { name: nodeName, namespace: 'kube-node-lease', ownerReferences }
      await client.create<Lease>(
        refs.leases,
        { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec },
        { signal },
      )
    }
  }

  function renewAgain(): void {
    renewLease()
      .catch((error: unknown) => logger.debug({ error: (error as Error).message }, 'lease was not renewed'))
      .finally(() => {
        // Spread, so that the nodes' renewals do not meet at the leader.
        if (!closed) leaseTimer = clock.after(leaseRenewMs * (1 + 0.04 * options.random.next()), renewAgain)
      })
  }

  return {
    async start() {
      // What somebody else adds to the node's capacity is to be allocatable at once.
      unwatch = options.informers.for<Node>(refs.nodes).onChange(({ object, name }) => {
        if (name !== nodeName || written === undefined) return
        if (!isDeepStrictEqual(extendedResources(object?.status?.capacity), extendedResources(written.capacity))) look()
      })
      look()
      leaseTimer = clock.after(retryMs, renewAgain)
    },
    async stop() {
      closed = true
      again = false
      unwatch?.()
      timer?.cancel()
      leaseTimer?.cancel()
      await looking
    },
    setRuntime(error) {
      const text = error?.message
      if (text === runtimeError) return
      runtimeError = text
      // The daemon may be another version now.
      if (error === undefined) version = undefined
      if (!closed) look()
    },
    imagesChanged() {
      imagesAtMs = -Infinity
      if (!closed) look()
    },
    changed() {
      if (!closed) look()
    },
    runtimeVersion: () => version,
  }
}
