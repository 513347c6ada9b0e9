import type Docker from 'dockerode'
import { RuntimeError, type RuntimeContainer } from '../runtime.ts'
import { asking, askingFor } from './docker-error.ts'
import { observeContainer } from './observe.ts'

/** What is asked of the daemon about one container, for sandboxes and containers alike. */
export interface Containers {
  inspect(id: string, signal?: AbortSignal): Promise<RuntimeContainer | undefined>
  /** As `inspect`; throws when it is gone. */
  mustInspect(id: string, signal?: AbortSignal): Promise<RuntimeContainer>
  create(body: Docker.ContainerCreateOptions, signal?: AbortSignal): Promise<string>
  start(id: string, signal?: AbortSignal): Promise<RuntimeContainer>
  remove(id: string, signal?: AbortSignal): Promise<void>
}

export function dockerContainers(docker: Docker): Containers {
  async function inspect(id: string, signal?: AbortSignal): Promise<RuntimeContainer | undefined> {
    const info = await askingFor(() => docker.getContainer(id).inspect({ abortSignal: signal }))
    return info === undefined ? undefined : observeContainer(info)
  }

  async function mustInspect(id: string, signal?: AbortSignal): Promise<RuntimeContainer> {
    const container = await inspect(id, signal)
    if (container === undefined) throw new RuntimeError('not-found', `container ${id} is gone`)
    return container
  }

  async function remove(id: string, signal?: AbortSignal): Promise<void> {
    try {
      await askingFor(() => docker.getContainer(id).remove({ force: true, v: true, abortSignal: signal }))
    } catch (error) {
      // 409: somebody else is removing it at this moment.
      if (!(error instanceof RuntimeError && error.kind === 'conflict')) throw error
    }
  }

  async function start(id: string, signal?: AbortSignal): Promise<RuntimeContainer> {
    await asking(() => docker.getContainer(id).start({ abortSignal: signal })).catch((error: unknown) => {
      const cause = (error as Error).cause as { statusCode?: number } | undefined
      if (cause?.statusCode !== 304) throw error
    })
    return mustInspect(id, signal)
  }

  /**
   * A name that is taken belongs to an attempt of ours which was cut short before it was recorded. One that has run is
   * an instance with an end and a log, whoever knows of it: it is left, and named in the error.
   */
  async function create(body: Docker.ContainerCreateOptions, signal?: AbortSignal): Promise<string> {
    const attempt = (): Promise<string> =>
      asking(async () => (await docker.createContainer({ ...body, abortSignal: signal })).id)
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof RuntimeError && error.kind === 'conflict')) throw error
      const existing = await inspect(body.name ?? '', signal)
      if (existing !== undefined && existing.state !== 'created') {
        throw new RuntimeError('conflict', error.message, { cause: error, containerId: existing.id })
      }
      await remove(body.name ?? '', signal)
      return attempt()
    }
  }

  return { inspect, mustInspect, create, start, remove }
}
