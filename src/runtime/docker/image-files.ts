import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { asking, askingFor } from './docker-error.ts'

/**
 * The image's whole file system as a tar archive. Docker gives it of a container only: one is made, never started, and
 * removed. Its name is the image's, so that one that a crash has left is found by the next try.
 */
export async function* imageFiles(
  docker: Docker,
  imageId: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const name = `stormo-files-${imageId.replace(/^sha256:/, '').slice(0, 32)}`
  await askingFor(() => docker.getContainer(name).remove({ force: true }))
  const container = await asking(() =>
    docker.createContainer({
      name,
      Image: imageId,
      Entrypoint: ['/never-started'],
      Cmd: [],
      HostConfig: { NetworkMode: 'none' },
      abortSignal: signal,
    }),
  )
  try {
    const stream = (await asking(() => container.export({ abortSignal: signal }))) as Readable
    const abort = (): void => void stream.destroy(new Error('aborted'))
    signal.addEventListener('abort', abort, { once: true })
    try {
      for await (const chunk of stream) yield chunk as Uint8Array
    } finally {
      signal.removeEventListener('abort', abort)
      stream.destroy()
    }
  } finally {
    await askingFor(() => container.remove({ force: true }))
  }
}
