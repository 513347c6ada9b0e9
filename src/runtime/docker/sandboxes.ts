import type Docker from 'dockerode'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { containerName, labelKeys, sandboxContainerName } from '../container-names.ts'
import { pauseImageArchive, pauseImageName } from '../pause-image.ts'
import type { ContainerRuntime, RuntimeContainer, SandboxConfig } from '../runtime.ts'
import type { Containers } from './containers.ts'
import { poolSandboxCreateOptions, sandboxCreateOptions, type DockerDefaults } from './create-options.ts'
import { asking } from './docker-error.ts'
import { setHostname } from './host-name.ts'
import { inspectImage, loadArchive } from './images.ts'
import { createSandboxPool, type PooledSandbox } from './sandbox-pool.ts'

export interface Sandboxes {
  run: ContainerRuntime['runSandbox']
  fillPool(): Promise<void>
  close(): Promise<void>
}

export interface SandboxesOptions {
  readonly docker: Docker
  readonly containers: Containers
  readonly defaults: DockerDefaults
  readonly clock: Clock
  readonly logger: Logger
  readonly warmSandboxes: number
  /** Rejects when containers of pooled sandboxes could not be named in time: there is no pool then. */
  readonly gateReady: () => Promise<unknown>
}

const pauseLoadTimeoutMs = 60_000

/** Sandboxes from the pool where that is possible, else made for their pod. */
export function dockerSandboxes(options: SandboxesOptions): Sandboxes {
  const { docker, containers, defaults, logger } = options
  let pauseReady: Promise<void> | undefined

  const ensurePause = (): Promise<void> => {
    pauseReady ??= loadPause(docker).catch((error: unknown) => {
      pauseReady = undefined
      throw error
    })
    return pauseReady
  }

  const pool = createSandboxPool({
    size: options.warmSandboxes,
    clock: options.clock,
    logger,
    async list() {
      const label = [`${labelKeys.managed}=true`, `${labelKeys.role}=sandbox`]
      const found = await asking(() => docker.listContainers({ all: true, filters: { label } }))
      return found.map(({ Id, Names, State }) => ({
        id: Id,
        name: (Names[0] ?? '').slice(1),
        running: State === 'running',
      }))
    },
    async pid(id) {
      const info = await asking(() => docker.getContainer(id).inspect())
      return info.State.Pid
    },
    async create(name) {
      await Promise.all([ensurePause(), options.gateReady()])
      const id = await containers.create(poolSandboxCreateOptions(name, defaults))
      await asking(() => docker.getContainer(id).start())
      return id
    },
    remove: (id) => containers.remove(id),
  })

  /** Undefined when it does not run after all; it is gone then. */
  async function bind(
    { id, pid }: PooledSandbox,
    config: SandboxConfig,
    signal?: AbortSignal,
  ): Promise<RuntimeContainer | undefined> {
    const name = containerName({ pod: config.pod, container: sandboxContainerName, attempt: config.attempt })
    try {
      await Promise.all([
        asking(() => docker.getContainer(id).rename({ name, abortSignal: signal })),
        setHostname(pid, config.hostname),
      ])
      const bound = await containers.mustInspect(id, signal)
      if (bound.state === 'running') return bound
    } catch (error) {
      logger.warn({ error, sandbox: id }, 'pooled sandbox could not be bound: making a new one')
    }
    await containers.remove(id, signal)
    return undefined
  }

  return {
    async run(config, signal, onCreated) {
      await ensurePause()
      const pooled = mayBePooled(config) ? pool.take() : undefined
      if (pooled !== undefined) {
        onCreated?.({ id: pooled.id, pooled: true })
        const bound = await bind(pooled, config, signal)
        if (bound !== undefined) return bound
      }
      const id = await containers.create(sandboxCreateOptions(config, defaults), signal)
      onCreated?.({ id, pooled: false })
      try {
        return await containers.start(id, signal)
      } catch (error) {
        await containers.remove(id).catch(() => {})
        throw error
      }
    },
    fillPool: () => pool.fill(),
    close: () => pool.close(),
  }
}

function mayBePooled(config: SandboxConfig): boolean {
  const { hostNetwork, hostIpc, hostPid, handler, sysctls, needsIdentity } = config
  const isPlain = !hostNetwork && !hostIpc && !hostPid && handler === ''
  return isPlain && !needsIdentity && Object.keys(sysctls).length === 0
}

async function loadPause(docker: Docker): Promise<void> {
  const present = await inspectImage(docker, pauseImageName)
  if (present !== undefined) return
  const archive = await pauseImageArchive(process.arch === 'arm64' ? 'arm64' : 'amd64')
  await loadArchive(
    docker,
    (async function* () {
      yield archive
    })(),
    AbortSignal.timeout(pauseLoadTimeoutMs),
  )
}
