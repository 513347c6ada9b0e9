import type { Clock } from '../../lib/clock.ts'
import { assert } from '../../lib/assert.ts'
import type { Logger } from '../../lib/log.ts'
import { labelKeys } from '../container-names.ts'
import { RuntimeError, type ContainerConfig, type RuntimeContainer } from '../runtime.ts'
import type { Containers } from './containers.ts'
import { containerCreateOptions, type DockerDefaults } from './create-options.ts'
import { setHostname } from './host-name.ts'
import { behindGate, installGate, openGate, waitsAtGate } from './identity-gate.ts'

export interface GatedContainers {
  create(config: ContainerConfig, signal?: AbortSignal): Promise<string>
  start(id: string, signal?: AbortSignal): Promise<RuntimeContainer>
  /**
   * A container as it looks to others: one before its gate has not started, and a refused one is gone. `inspect` is
   * asked in here, because what it answers may be overtaken by what happens at the gate.
   */
  seen(id: string, inspect: () => Promise<RuntimeContainer | undefined>): Promise<RuntimeContainer | undefined>
  /** Lets a container through whose agent ended while it stood before the gate. */
  admit(container: RuntimeContainer): Promise<void>
  /** The container has been removed. */
  forget(id: string): void
  /** Rejects when there can be no gate on this machine. */
  ready(): Promise<string>
}

export interface GatedContainersOptions {
  readonly containers: Containers
  readonly defaults: DockerDefaults
  readonly clock: Clock
  readonly logger: Logger
  readonly stateDir: string | undefined
}

/**
 * Containers of pooled sandboxes. Docker gives a container that joins another's network that one's configured host
 * name, which nobody can change any more: so it starts behind a gate that opens once the name is right.
 */
export function gatedContainers(options: GatedContainersOptions): GatedContainers {
  const { containers, defaults, clock, logger } = options
  /** Created behind the gate and not started yet. */
  const waiting = new Map<string, ContainerConfig>()
  /** Started, and not through the gate yet. */
  const standing = new Set<string>()
  /** Could not execute its program, and is being replaced by one whose start says why. */
  const refused = new Set<string>()
  let gate: Promise<string> | undefined

  function ready(): Promise<string> {
    assert(options.stateDir !== undefined, 'a pool of sandboxes needs a directory for the gate')
    gate ??= installGate(options.stateDir).catch((error: unknown) => {
      gate = undefined
      throw error
    })
    return gate
  }

  return {
    ready,
    async create(config, signal) {
      const gated = config.hostname === undefined ? undefined : behindGate(config, await ready())
      const id = await containers.create(containerCreateOptions(gated ?? config, defaults), signal)
      if (gated !== undefined) waiting.set(id, config)
      return id
    },

    forget: (id) => void waiting.delete(id),

    async start(id, signal) {
      const config = waiting.get(id)
      waiting.delete(id)
      if (config === undefined) {
        const started = await containers.start(id, signal)
        const late = started.labels[labelKeys.hostname]
        if (late !== undefined && started.pid > 0) await setHostname(started.pid, late)
        return started
      }
      standing.add(id)
      try {
        const started = await containers.start(id, signal)
        if (started.pid === 0 || (await openGate(started.pid, config.hostname ?? '', clock))) return started
        refused.add(id)
        await containers.remove(id)
      } finally {
        standing.delete(id)
        refused.delete(id)
      }
      // Docker itself says best why a program cannot be executed, and leaves the container as it leaves all such.
      const again = await containers.create(containerCreateOptions(config, defaults))
      await containers.start(again).catch((cause: unknown) => {
        const kind = cause instanceof RuntimeError ? cause.kind : 'failed'
        throw new RuntimeError(kind, (cause as Error).message, { cause, containerId: again })
      })
      throw new RuntimeError('failed', 'the program could not be executed, and then it could')
    },

    async seen(id, inspect) {
      const stood = standing.has(id)
      const container = await inspect()
      if (container === undefined || refused.has(container.id)) return undefined
      if (!(stood || standing.has(container.id)) || container.state !== 'running') return container
      return { ...container, state: 'created', pid: 0, startedAtMs: 0 }
    },

    async admit(container) {
      const hostname = container.labels[labelKeys.hostname]
      if (hostname === undefined || container.state !== 'running' || !(await waitsAtGate(container.pid))) return
      logger.info({ container: container.id }, 'a container still waited for its name')
      if (!(await openGate(container.pid, hostname, clock))) await containers.remove(container.id)
    },
  }
}
