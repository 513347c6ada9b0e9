import { join } from 'node:path'
import type { Pod } from '../../api/kinds.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { createKeyedQueue } from '../keyed-queue.ts'
import type { StartFailure } from '../core/pod-view.ts'
import { devicePlugin, type DeviceAccess, type RegisterRequest } from './device-api.ts'
import { readCheckpoint, writeCheckpoint, type DeviceGrant } from './device-checkpoint.ts'
import { chooseDevices, deviceWishes, type DeviceWish } from './device-choice.ts'
import { createDeviceEndpoint, type DeviceEndpoint } from './device-endpoint.ts'
import { createRegistrationServer } from './registration-server.ts'

export interface DeviceManagerOptions {
  /** `device-plugins`: where plugins find the kubelet, and put their sockets. */
  readonly directory: string
  readonly logger: Logger
  /** Devices, or their health, have changed. */
  readonly onChange: () => void
  /** Whether the node still has the pod. */
  readonly isKnown: (podUid: string) => boolean
}

export interface DeviceResources {
  readonly capacity: Readonly<Record<string, string>>
  readonly allocatable: Readonly<Record<string, string>>
}

/** Devices of the node, as vendors' plugins offer them (upstream pkg/kubelet/cm/devicemanager). */
export interface DeviceManager extends Service {
  resources(): DeviceResources
  /** Chooses and claims the pod's devices, once. Why it cannot have them, if it cannot. */
  admit(pod: Pod): Promise<StartFailure | undefined>
  accessOf(podUid: string, container: string): readonly DeviceAccess[]
  /** Lets the plugin make the devices ready, where it wants to. */
  beforeStart(podUid: string, container: string): Promise<void>
  release(podUid: string): Promise<void>
}

const callTimeoutMs = 30_000

export function createDeviceManager(options: DeviceManagerOptions): DeviceManager {
  const { directory, logger, onChange } = options
  const checkpoint = join(directory, 'kubelet_internal_checkpoint')
  const endpoints = new Map<string, DeviceEndpoint>()
  const inOrder = createKeyedQueue()
  const resources = new Set<string>()
  let grants: readonly DeviceGrant[] = []

  async function register({ resourceName, endpoint }: RegisterRequest): Promise<void> {
    endpoints.get(resourceName)?.stop()
    const socket = join(directory, endpoint)
    endpoints.set(resourceName, createDeviceEndpoint({ socket, logger, onChange }))
    logger.info({ resource: resourceName }, 'device plugin registered')
    if (resources.has(resourceName)) return
    resources.add(resourceName)
    await save(grants)
  }

  const server = createRegistrationServer({ directory, register })

  async function save(next: readonly DeviceGrant[]): Promise<void> {
    grants = next
    await writeCheckpoint(checkpoint, { grants, resources: [...resources] })
  }

  /** What pods of the past had is free as soon as somebody asks. */
  const taken = (resource: string, exceptUid: string): Set<string> =>
    new Set(
      grants
        .filter((one) => one.resource === resource && one.podUid !== exceptUid && options.isKnown(one.podUid))
        .flatMap(({ deviceIds }) => deviceIds),
    )

  /** `mine`: what the pod has got so far. Words when it cannot have more. */
  async function grant(podUid: string, wish: DeviceWish, mine: readonly DeviceGrant[]): Promise<DeviceGrant | string> {
    const { resource, count } = wish
    const endpoint = endpoints.get(resource)
    const ofResource = mine.filter((one) => one.resource === resource)
    const lasting = new Set(ofResource.filter((one) => !one.isTransient).flatMap(({ deviceIds }) => deviceIds))
    const all = ofResource.flatMap(({ deviceIds }) => deviceIds)
    const reusable = [...new Set(all)].filter((id) => !lasting.has(id))
    const held = new Set([...all, ...taken(resource, podUid)])
    const free = endpoint === undefined ? [] : [...endpoint.healthyDevices()].filter((id) => !held.has(id)).toSorted()
    const available = reusable.length + free.length
    const tooFew = `requested number of devices unavailable for ${resource}. Requested: ${count}, Available: ${available}`
    if (endpoint === undefined || available < count) return tooFew
    const preferred = await preferredOf(endpoint, reusable, free, count)
    const deviceIds = chooseDevices(count, reusable, free, preferred)
    if (deviceIds === undefined) return tooFew
    const { containerResponses } = await endpoint.connection.call(
      devicePlugin.allocate,
      { containerRequests: [{ deviceIds }] },
      callTimeoutMs,
    )
    const access = containerResponses[0] ?? { envs: {}, mounts: [], devices: [] }
    return { podUid, container: wish.container, resource, deviceIds, isTransient: wish.isTransient, access }
  }

  async function preferredOf(
    endpoint: DeviceEndpoint,
    reusable: readonly string[],
    free: readonly string[],
    count: number,
  ): Promise<readonly string[]> {
    const { getPreferredAllocationAvailable } = await endpoint.pluginOptions()
    if (!getPreferredAllocationAvailable) return []
    const request = {
      availableDeviceIds: [...new Set([...reusable, ...free])],
      mustIncludeDeviceIds: reusable.slice(0, count),
      allocationSize: count,
    }
    const { containerResponses } = await endpoint.connection.call(
      devicePlugin.getPreferredAllocation,
      { containerRequests: [request] },
      callTimeoutMs,
    )
    return containerResponses[0]?.deviceIds ?? []
  }

  async function admit(pod: Pod): Promise<StartFailure | undefined> {
    const uid = pod.metadata.uid ?? ''
    if (grants.some((one) => one.podUid === uid)) return undefined
    const mine: DeviceGrant[] = []
    for (const wish of deviceWishes(pod, (resource) => resources.has(resource))) {
      const given = await grant(uid, wish, mine).catch((error: unknown) => (error as Error).message)
      if (typeof given === 'string') {
        const message = `Allocate failed due to ${given}, which is unexpected`
        return { reason: 'UnexpectedAdmissionError', message }
      }
      mine.push(given)
    }
    await save([...grants.filter((one) => options.isKnown(one.podUid)), ...mine])
    return undefined
  }

  return {
    async start() {
      await server.start().catch((error: unknown) => {
        // Such as a path that is too long for a socket: pods without devices do not suffer from it.
        logger.warn({ directory, error: (error as Error).message }, 'device plugins cannot register')
      })
      const before = await readCheckpoint(checkpoint)
      grants = before.grants
      for (const resource of before.resources) resources.add(resource)
    },
    async stop() {
      for (const endpoint of endpoints.values()) endpoint.stop()
      await server.stop()
    },

    resources() {
      const capacity: Record<string, string> = {}
      const allocatable: Record<string, string> = {}
      for (const resource of resources) {
        const endpoint = endpoints.get(resource)
        capacity[resource] = String(endpoint?.devices().size ?? 0)
        allocatable[resource] = String(endpoint?.healthyDevices().size ?? 0)
      }
      return { capacity, allocatable }
    },

    // One pod after the other: two must not choose the same device.
    admit: async (pod) =>
      deviceWishes(pod, (resource) => resources.has(resource)).length === 0
        ? undefined
        : inOrder('admission', () => admit(pod)),

    accessOf: (podUid, container) =>
      grants.filter((one) => one.podUid === podUid && one.container === container).map(({ access }) => access),

    async beforeStart(podUid, container) {
      for (const one of grants) {
        if (one.podUid !== podUid || one.container !== container) continue
        const endpoint = endpoints.get(one.resource)
        if (endpoint === undefined || !(await endpoint.pluginOptions()).preStartRequired) continue
        await endpoint.connection.call(devicePlugin.preStartContainer, { deviceIds: one.deviceIds }, callTimeoutMs)
      }
    },

    async release(podUid) {
      if (grants.some((one) => one.podUid === podUid)) await save(grants.filter((one) => one.podUid !== podUid))
    },
  }
}
