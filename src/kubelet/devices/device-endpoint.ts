import type { Logger } from '../../lib/log.ts'
import { connectPlugin, type PluginConnection } from '../plugins/rpc.ts'
import { devicePlugin, healthy, type PluginOptions } from './device-api.ts'

export interface DeviceEndpointOptions {
  readonly socket: string
  readonly logger: Logger
  readonly onChange: () => void
}

/** One plugin, for one resource. */
export interface DeviceEndpoint {
  readonly connection: PluginConnection
  /** Every device by id, whether it is healthy. Of a plugin that has gone none is. */
  devices(): ReadonlyMap<string, boolean>
  healthyDevices(): ReadonlySet<string>
  pluginOptions(): Promise<PluginOptions>
  stop(): void
}

const callTimeoutMs = 10_000

export function createDeviceEndpoint({ socket, logger, onChange }: DeviceEndpointOptions): DeviceEndpoint {
  const stopping = new AbortController()
  const connection = connectPlugin(socket)
  let devices = new Map<string, boolean>()
  let known: Promise<PluginOptions> | undefined

  async function watch(): Promise<void> {
    try {
      for await (const answer of connection.stream(devicePlugin.listAndWatch, {}, stopping.signal)) {
        devices = new Map(answer.devices.map(({ id, health }) => [id, health === healthy]))
        onChange()
      }
    } catch (error) {
      if (!stopping.signal.aborted) logger.warn({ socket, error: (error as Error).message }, 'device plugin has gone')
    }
    if (stopping.signal.aborted) return
    // It registers anew when it comes back; until then nothing of it may be given away.
    devices = new Map([...devices.keys()].map((id) => [id, false]))
    onChange()
  }

  void watch()
  return {
    connection,
    devices: () => devices,
    healthyDevices: () => new Set([...devices].flatMap(([id, isHealthy]) => (isHealthy ? [id] : []))),
    pluginOptions() {
      known ??= connection.call(devicePlugin.getOptions, {}, callTimeoutMs)
      known.catch(() => (known = undefined))
      return known
    },
    stop() {
      stopping.abort()
      connection.close()
    },
  }
}
