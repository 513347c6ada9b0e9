import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import { registrationApi, type PluginInfo } from './registration-api.ts'
import { connectPlugin, type PluginConnection } from './rpc.ts'

/** What takes the plugins of one type. */
export interface PluginHandler {
  /** Throws why it is not taken; that is told to the plugin. */
  register(info: PluginInfo, endpoint: string): Promise<void>
  unregister(info: PluginInfo): Promise<void>
}

export interface PluginRegistryOptions {
  /** Where plugins put their sockets: `plugins_registry`. */
  readonly directory: string
  /** By type. */
  readonly handlers: Readonly<Record<string, PluginHandler>>
  readonly clock: Clock
  readonly logger: Logger
}

/** How often the directory is looked at: file events do not cross every kind of mount. */
const lookMs = 1_000
const maxDepth = 3
const callTimeoutMs = 10_000
const firstRetryMs = 500
const maxRetryMs = 60_000

interface Seen {
  /** Of the socket: another one under the same path is another plugin. */
  readonly identity: string
  info?: PluginInfo
  retryAtMs: number
  delayMs: number
}

/**
 * Finds plugins by their sockets, asks them who they are and hands them on; takes them back when their socket goes
 * (upstream pkg/kubelet/pluginmanager). Nothing is remembered over a restart: sockets that are there are found again.
 */
export function createPluginRegistry({ directory, handlers, clock, logger }: PluginRegistryOptions): Service {
  const seen = new Map<string, Seen>()
  let timer: Timer | undefined
  let looking: Promise<void> | undefined
  let closed = false

  async function look(): Promise<void> {
    const sockets = await socketsBelow(directory, maxDepth)
    for (const [path, one] of seen) if (sockets.get(path) !== one.identity) await leave(path, one)
    for (const [path, identity] of sockets) {
      const one = seen.get(path) ?? { identity, retryAtMs: 0, delayMs: firstRetryMs }
      seen.set(path, one)
      if (one.info === undefined && clock.monotonicMs() >= one.retryAtMs) await meet(path, one)
    }
  }

  async function meet(path: string, one: Seen): Promise<void> {
    const connection = connectPlugin(path)
    try {
      const info = await connection.call(registrationApi.getInfo, {}, callTimeoutMs)
      await register(path, info, connection)
      one.info = info
      logger.info({ plugin: info.name, type: info.type }, 'plugin registered')
    } catch (error) {
      one.retryAtMs = clock.monotonicMs() + one.delayMs
      one.delayMs = Math.min(one.delayMs * 2, maxRetryMs)
      logger.warn({ path, error: (error as Error).message }, 'plugin could not be registered; trying again')
    } finally {
      connection.close()
    }
  }

  async function register(path: string, info: PluginInfo, connection: PluginConnection): Promise<void> {
    const tell = (error: string) =>
      connection.call(
        registrationApi.notifyRegistrationStatus,
        { pluginRegistered: error === '', error },
        callTimeoutMs,
      )
    try {
      const handler = handlers[info.type]
      if (handler === undefined) throw new Error(`no handler registered for plugin type: ${info.type}`)
      await handler.register(info, info.endpoint === '' ? path : info.endpoint)
    } catch (error) {
      await tell((error as Error).message).catch(() => undefined)
      throw error
    }
    await tell('')
  }

  async function leave(path: string, { info }: Seen): Promise<void> {
    seen.delete(path)
    if (info === undefined) return
    // A successor may have come under another path before its predecessor's socket went.
    const isReplaced = [...seen.values()].some((one) => one.info?.name === info.name && one.info.type === info.type)
    if (isReplaced) return
    await handlers[info.type]?.unregister(info)
    logger.info({ plugin: info.name, type: info.type }, 'plugin has gone')
  }

  function again(): void {
    looking = look()
      .catch((error: unknown) => logger.debug({ error }, 'plugins could not be looked for'))
      .finally(() => {
        if (!closed) timer = clock.after(lookMs, again)
      })
  }

  return {
    async start() {
      await mkdir(directory, { recursive: true, mode: 0o750 })
      again()
    },
    async stop() {
      closed = true
      timer?.cancel()
      await looking
      timer?.cancel()
    },
  }
}

/** Identities of sockets by path; what begins with a dot is not looked at. */
async function socketsBelow(directory: string, depth: number): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory() && depth > 1) {
      for (const [below, identity] of await socketsBelow(path, depth - 1)) found.set(below, identity)
    } else if (entry.isSocket()) {
      const stats = await stat(path).catch(() => undefined)
      if (stats !== undefined) found.set(path, `${stats.ino}/${stats.ctimeMs}`)
    }
  }
  return found
}
