import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { connectPlugin } from '../plugins/rpc.ts'
import { answerCall, serveRpcs, type RpcServer } from '../plugins/serve.ts'
import { deviceApiVersion, devicePlugin, healthy, registerDevicePlugin } from './device-api.ts'
import { findNvidiaDevices, nvidiaAccess, nvidiaResource } from './nvidia.ts'

export interface NvidiaPluginOptions {
  /** `device-plugins`. */
  readonly directory: string
  readonly logger: Logger
  /** Replaced in tests. */
  readonly deviceDirectory?: string
}

const endpoint = 'stormo-nvidia.sock'
const registerTimeoutMs = 5_000
const options = { preStartRequired: false, getPreferredAllocationAvailable: false }

interface Watcher {
  write(answer: object): unknown
}

/**
 * Offers the machine's NVIDIA devices through the same protocol as a vendor's plugin, which takes over as soon as it
 * registers for the same resource. On a machine without such devices it does nothing.
 */
export function createNvidiaPlugin({ directory, logger, deviceDirectory }: NvidiaPluginOptions): Service {
  let server: RpcServer | undefined
  const socket = join(directory, endpoint)

  return {
    async start() {
      const devices = await findNvidiaDevices(deviceDirectory)
      if (devices.length === 0) return
      const handlers = {
        getOptions: answerCall(async () => options),
        listAndWatch: (watcher: Watcher) =>
          void watcher.write({ devices: devices.map(({ id }) => ({ id, health: healthy })) }),
        allocate: answerCall(
          async ({ containerRequests }: { containerRequests: readonly { deviceIds: readonly string[] }[] }) => ({
            containerResponses: await Promise.all(
              containerRequests.map(({ deviceIds }) => nvidiaAccess(devices, deviceIds, deviceDirectory)),
            ),
          }),
        ),
      }
      await rm(socket, { force: true })
      const kubelet = connectPlugin(join(directory, 'kubelet.sock'))
      try {
        server = await serveRpcs(devicePlugin as never, handlers, socket)
        const request = { version: deviceApiVersion, endpoint, resourceName: nvidiaResource, options }
        await kubelet.call(registerDevicePlugin, request, registerTimeoutMs)
      } catch (error) {
        logger.warn({ error: (error as Error).message }, 'NVIDIA devices cannot be offered')
      } finally {
        kubelet.close()
      }
    },
    async stop() {
      await server?.stop()
    },
  }
}
