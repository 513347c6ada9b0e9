import type { Duplex, Readable } from 'node:stream'
import Docker from 'dockerode'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { containerName, labelKeys, sandboxContainerName } from '../container-names.ts'
import { pauseImageArchive, pauseImageName } from '../pause-image.ts'
import {
  RuntimeError,
  type ContainerRuntime,
  type RuntimeContainer,
  type RuntimeEvent,
  type SandboxConfig,
  type StreamOptions,
} from '../runtime.ts'
import {
  containerCreateOptions,
  poolSandboxCreateOptions,
  resourceOptions,
  sandboxCreateOptions,
  type DockerDefaults,
} from './create-options.ts'
import { asking, askingFor } from './docker-error.ts'
import { inspectImage, listImages, loadArchive, pullImage } from './images.ts'
import { containerLogs } from './logs.ts'
import { observeContainer } from './observe.ts'
import { createSandboxPool } from './sandbox-pool.ts'
import { observeStats } from './stats.ts'
import { demultiplex } from './stream-frames.ts'
import { joinStreams } from './streams.ts'

export interface DockerRuntimeOptions {
  /** Default `/var/run/docker.sock`. Podman's Docker-compatible socket serves too. */
  readonly socketPath?: string
  readonly clock: Clock
  readonly logger: Logger
  /** How many idle sandboxes to keep ready; 0 turns the pool off. */
  readonly warmSandboxes?: number
  readonly cgroupParent?: string
  /** Lowest oom_score_adj that this machine lets us set; see {@link DockerDefaults}. */
  readonly minOomScoreAdjust?: number
}

/** Events of a container after which its state may differ. */
const watchedActions = ['create', 'start', 'die', 'oom', 'destroy', 'rename', 'stop', 'kill', 'pause', 'unpause']

/** Containers inspected at a time when all are listed. */
const inspectConcurrency = 8

/** The runtime on a Docker Engine (API 1.41, Docker 20.10, or later). */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const docker = new Docker({ socketPath: options.socketPath ?? '/var/run/docker.sock' })
  const { clock, logger } = options
  const defaults: DockerDefaults = {
    cgroupParent: options.cgroupParent ?? '',
    minOomScoreAdjust: options.minOomScoreAdjust ?? -1000,
  }
  let pauseReady: Promise<void> | undefined

  const ensurePause = (): Promise<void> => {
    pauseReady ??= loadPause(docker).catch((error: unknown) => {
      pauseReady = undefined
      throw error
    })
    return pauseReady
  }

  const inspect = async (id: string, signal?: AbortSignal): Promise<RuntimeContainer | undefined> => {
    const info = await askingFor(() => docker.getContainer(id).inspect({ abortSignal: signal }))
    return info === undefined ? undefined : observeContainer(info)
  }

  const mustInspect = async (id: string, signal?: AbortSignal): Promise<RuntimeContainer> => {
    const container = await inspect(id, signal)
    if (container === undefined) throw new RuntimeError('not-found', `container ${id} is gone`)
    return container
  }

  const remove = async (id: string, signal?: AbortSignal): Promise<void> => {
    try {
      await askingFor(() => docker.getContainer(id).remove({ force: true, v: true, abortSignal: signal }))
    } catch (error) {
      // 409: somebody else is removing it at this moment.
      if (!(error instanceof RuntimeError && error.kind === 'conflict')) throw error
    }
  }

  const start = async (id: string, signal?: AbortSignal): Promise<RuntimeContainer> => {
    await asking(() => docker.getContainer(id).start({ abortSignal: signal })).catch((error: unknown) => {
      const cause = (error as Error).cause as { statusCode?: number } | undefined
      if (cause?.statusCode !== 304) throw error
    })
    return mustInspect(id, signal)
  }

  /** A name that is taken belongs to an attempt of ours which was cut short before it was recorded. */
  const create = async (body: Docker.ContainerCreateOptions, signal?: AbortSignal): Promise<string> => {
    const attempt = (): Promise<string> =>
      asking(async () => (await docker.createContainer({ ...body, abortSignal: signal })).id)
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof RuntimeError && error.kind === 'conflict')) throw error
      const existing = await inspect(body.name ?? '', signal)
      if (existing?.state === 'running') throw error
      await remove(body.name ?? '', signal)
      return attempt()
    }
  }

  const pool = createSandboxPool({
    size: options.warmSandboxes ?? 0,
    clock,
    logger,
    list: async () => {
      const found = await asking(() =>
        docker.listContainers({
          all: true,
          filters: { label: [`${labelKeys.managed}=true`, `${labelKeys.role}=sandbox`] },
        }),
      )
      return found.map(({ Id, Names, State }) => ({
        id: Id,
        name: (Names[0] ?? '').slice(1),
        running: State === 'running',
      }))
    },
    create: async (name) => {
      await ensurePause()
      const id = await create(poolSandboxCreateOptions(name, defaults))
      await asking(() => docker.getContainer(id).start())
      return id
    },
    remove,
  })

  const runSandbox = async (config: SandboxConfig, signal?: AbortSignal): Promise<RuntimeContainer> => {
    await ensurePause()
    const plain = !config.hostNetwork && !config.hostIpc && !config.hostPid && config.handler === ''
    if (plain && !config.needsIdentity && Object.keys(config.sysctls).length === 0) {
      const id = pool.take()
      if (id !== undefined) {
        const name = containerName({ pod: config.pod, container: sandboxContainerName, attempt: config.attempt })
        try {
          await asking(() => docker.getContainer(id).rename({ name, abortSignal: signal }))
          const bound = await mustInspect(id, signal)
          if (bound.state === 'running') return bound
        } catch (error) {
          logger.warn({ error, sandbox: id }, 'pooled sandbox could not be bound: making a new one')
        }
        await remove(id, signal)
      }
    }
    const id = await create(sandboxCreateOptions(config, defaults), signal)
    try {
      return await start(id, signal)
    } catch (error) {
      await remove(id).catch(() => {})
      throw error
    }
  }

  const openExec = async (
    id: string,
    command: readonly string[],
    streams: StreamOptions,
    signal: AbortSignal,
  ): Promise<{ exec: Docker.Exec; socket: Duplex }> =>
    asking(async () => {
      const exec = await docker.getContainer(id).exec({
        Cmd: [...command],
        AttachStdin: streams.stdin,
        AttachStdout: streams.stdout,
        AttachStderr: streams.stderr && !streams.tty,
        Tty: streams.tty,
        abortSignal: signal,
      })
      const socket = await exec.start({ hijack: true, stdin: true, Tty: streams.tty })
      return { exec, socket }
    })

  const exitCodeOf = async (exec: Docker.Exec): Promise<number> => {
    // Docker closes the streams a moment before it records the exit code.
    for (let attempt = 0; attempt < 50; attempt++) {
      const info = await asking(() => exec.inspect())
      if (!info.Running && info.ExitCode !== null) return info.ExitCode
      await new Promise<void>((resolve) => clock.after(20, resolve))
    }
    throw new RuntimeError('failed', 'the process closed its output but did not end within 1 s')
  }

  /** Docker cannot end an exec: its process is killed by the id that Docker gives, in the daemon's PID namespace. */
  const killExec = async (exec: Docker.Exec): Promise<void> => {
    const info = await exec.inspect().catch(() => undefined)
    if (info?.Running && info.Pid > 1) {
      try {
        process.kill(info.Pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile, or the daemon lives in another PID namespace.
      }
    }
  }

  return {
    version: () =>
      asking(async () => {
        const version = await docker.version()
        const isPodman = version.Components?.some((one) => /podman/i.test(one.Name))
        return { name: isPodman ? 'podman' : 'docker', version: version.Version, apiVersion: version.ApiVersion }
      }),

    async list(signal) {
      const found = await asking(() =>
        docker.listContainers({ all: true, filters: { label: [`${labelKeys.managed}=true`] }, abortSignal: signal }),
      )
      const ids = found.map((one) => one.Id)
      const all: RuntimeContainer[] = []
      const worker = async (): Promise<void> => {
        for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
          const container = await inspect(id, signal)
          if (container !== undefined) all.push(container)
        }
      }
      await Promise.all(Array.from({ length: inspectConcurrency }, worker))
      void pool.fill()
      return all
    },
    inspect,
    events: (signal) => watchEvents(docker, signal),
    runSandbox,
    createContainer: (config, signal) => create(containerCreateOptions(config, defaults), signal),
    start,

    async stop(id, graceMs, signal) {
      const t = Math.max(0, Math.ceil(graceMs / 1000))
      await askingFor(() => docker.getContainer(id).stop({ t, abortSignal: signal }))
    },
    remove,
    async updateResources(id, resources, signal) {
      await asking(() => docker.getContainer(id).update({ ...resourceOptions(resources), abortSignal: signal }))
    },
    stats: (id, signal) =>
      asking(async () => {
        const sample = await docker
          .getContainer(id)
          .stats({ stream: false, 'one-shot': true, abortSignal: signal } as { stream: false })
        return observeStats(sample, clock.nowMs())
      }),
    logs: (id, logOptions, signal) => containerLogs(docker, id, logOptions, signal),

    async exec(id, command, streams, channels, signal) {
      const { exec, socket } = await openExec(id, command, streams, signal)
      const resize = (columns: number, rows: number): Promise<void> => exec.resize({ w: columns, h: rows })
      await joinStreams(socket, streams, channels, resize, signal)
      return exitCodeOf(exec)
    },

    async execSync(id, command, maxOutputBytes, signal) {
      const streams = { stdin: false, stdout: true, stderr: true, tty: false }
      const { exec, socket } = await openExec(id, command, streams, signal)
      const abort = (): void => {
        void killExec(exec)
        socket.destroy()
      }
      socket.on('error', () => {})
      signal.addEventListener('abort', abort, { once: true })
      let output = Buffer.alloc(0)
      try {
        for await (const { data } of demultiplex(socket, false)) {
          if (output.length < maxOutputBytes)
            output = Buffer.concat([output, data.subarray(0, maxOutputBytes - output.length)])
        }
      } catch (error) {
        if (!signal.aborted) throw error
      } finally {
        signal.removeEventListener('abort', abort)
      }
      signal.throwIfAborted()
      return { exitCode: await exitCodeOf(exec), output: output.toString() }
    },

    async attach(id, streams, channels, signal) {
      const container = docker.getContainer(id)
      const info = await asking(() => container.inspect())
      const socket = await asking(() =>
        container.attach({
          stream: true,
          hijack: true,
          stdin: streams.stdin,
          stdout: streams.stdout,
          stderr: streams.stderr,
        }),
      )
      const resize = (columns: number, rows: number): Promise<void> => container.resize({ w: columns, h: rows })
      await joinStreams(socket as unknown as Duplex, { ...streams, tty: info.Config.Tty }, channels, resize, signal)
    },

    image: (reference, signal) => inspectImage(docker, reference, signal),
    images: (signal) => listImages(docker, signal),
    pull: (reference, auth, onProgress, signal) => pullImage(docker, reference, auth, onProgress, signal),
    load: (archive, signal) => loadArchive(docker, archive, signal),
    async removeImage(reference, signal) {
      await askingFor(() => docker.getImage(reference).remove({ force: false, abortSignal: signal } as object))
    },
    close: () => pool.close(),
  }
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
    AbortSignal.timeout(60_000),
  )
}

async function* watchEvents(docker: Docker, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void, void> {
  const filters = { type: ['container'], event: watchedActions, label: [`${labelKeys.managed}=true`] }
  const stream = (await asking(() =>
    docker.getEvents({ filters, abortSignal: signal } as Docker.GetEventsOptions),
  )) as Readable
  const abort = (): void => {
    stream.destroy()
  }
  signal.addEventListener('abort', abort, { once: true })
  let pending = ''
  try {
    stream.setEncoding('utf8')
    for await (const chunk of stream) {
      pending += chunk as string
      const parts = pending.split('\n')
      pending = parts.pop() ?? ''
      for (const part of parts.filter((text) => text.trim() !== '')) {
        const event = JSON.parse(part) as { Actor?: { ID?: string }; id?: string }
        const containerId = event.Actor?.ID ?? event.id
        if (containerId !== undefined) yield { containerId }
      }
    }
  } catch (error) {
    if (!signal.aborted) throw new RuntimeError('unreachable', `event stream broke: ${(error as Error).message}`)
  } finally {
    signal.removeEventListener('abort', abort)
    stream.destroy()
  }
  if (!signal.aborted) throw new RuntimeError('unreachable', 'event stream ended: the daemon went away')
}
