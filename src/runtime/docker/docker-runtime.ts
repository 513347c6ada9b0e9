import type { Duplex } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { underSignals } from '../../lib/under-signals.ts'
import { labelKeys } from '../container-names.ts'
import { RuntimeError, type ContainerRuntime, type RuntimeContainer } from '../runtime.ts'
import { dockerContainers } from './containers.ts'
import { resourceOptions, type DockerDefaults } from './create-options.ts'
import { asking, askingFor } from './docker-error.ts'
import { Dockerode } from './dockerode.ts'
import { watchEvents } from './events.ts'
import { execInteractive, execToEnd } from './exec.ts'
import { gatedContainers } from './gated-containers.ts'
import { imageFiles } from './image-files.ts'
import { inspectImage, listImages, loadArchive, pullImage, saveArchive } from './images.ts'
import { containerLogs } from './logs.ts'
import { dockerSandboxes } from './sandboxes.ts'
import { observeStats } from './stats.ts'
import { joinStreams } from './streams.ts'

export interface DockerRuntimeOptions {
  /** Default `/var/run/docker.sock`. Podman's Docker-compatible socket serves too. */
  readonly socketPath?: string
  readonly clock: Clock
  readonly logger: Logger
  /** How many idle sandboxes to keep ready; 0 turns the pool off. */
  readonly warmSandboxes?: number
  /** A directory that the daemon sees under the same path. The pool needs it, for the gate's program. */
  readonly stateDir?: string
  readonly cgroupParent?: string
  /** Lowest oom_score_adj that this machine lets us set; see {@link DockerDefaults}. */
  readonly minOomScoreAdjust?: number
}

/** Containers inspected at a time when all are listed. */
const inspectConcurrency = 8

/** How long the output of a container that ended while it was attached to may take to come to its end. */
const lastOutputMs = 1_000

/** The runtime on a Docker Engine (API 1.41, Docker 20.10, or later). */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const docker = new Dockerode({ socketPath: options.socketPath ?? '/var/run/docker.sock' })
  const { clock, logger } = options
  const defaults: DockerDefaults = {
    cgroupParent: options.cgroupParent ?? '',
    minOomScoreAdjust: options.minOomScoreAdjust ?? -1000,
  }
  const containers = dockerContainers(docker)
  const gated = gatedContainers({ containers, defaults, clock, logger, stateDir: options.stateDir })
  const inspect: ContainerRuntime['inspect'] = (id, signal) => gated.seen(id, () => containers.inspect(id, signal))
  const sandboxes = dockerSandboxes({
    docker,
    containers,
    defaults,
    clock,
    logger,
    warmSandboxes: options.stateDir === undefined ? 0 : (options.warmSandboxes ?? 0),
    gateReady: () => gated.ready(),
  })

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
      void sandboxes.fillPool()
      for (const one of all) await gated.admit(one)
      return all
    },
    inspect,
    events: (signal) => watchEvents(docker, signal),
    runSandbox: sandboxes.run,
    createContainer: gated.create,
    start: gated.start,

    async stop(id, graceMs, signal) {
      const t = Math.max(0, Math.ceil(graceMs / 1000))
      await askingFor(() => docker.getContainer(id).stop({ t, abortSignal: signal }))
    },
    async remove(id, signal) {
      gated.forget(id)
      await containers.remove(id, signal)
    },
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

    exec: (id, command, streams, channels, signal) =>
      execInteractive(docker, clock, id, command, streams, channels, signal),
    execSync: (id, command, maxOutputBytes, signal) => execToEnd(docker, clock, id, command, maxOutputBytes, signal),

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
      // The daemon lets anybody attach to what has ended, and waits for its next start.
      const ended = new AbortController()
      const { State } = await asking(() => container.inspect())
      const timer = State.Running
        ? undefined
        : clock.after(lastOutputMs, () => ended.abort(new RuntimeError('failed', `container ${id} is not running`)))
      const shape = { ...streams, tty: info.Config.Tty }
      await underSignals([signal, ended.signal], (left) =>
        joinStreams(socket as unknown as Duplex, shape, channels, resize, left),
      ).finally(() => timer?.cancel())
    },

    image: (reference, signal) => inspectImage(docker, reference, signal),
    images: (signal) => listImages(docker, signal),
    pull: (reference, auth, onProgress, signal) => pullImage(docker, reference, auth, onProgress, signal),
    load: (archive, signal) => loadArchive(docker, archive, signal),
    save: (reference, signal) => saveArchive(docker, reference, signal),
    files: (imageId, signal) => imageFiles(docker, imageId, signal),
    async removeImage(reference, signal) {
      await askingFor(() => docker.getImage(reference).remove({ force: false, abortSignal: signal } as object))
    },
    close: () => sandboxes.close(),
  }
}
