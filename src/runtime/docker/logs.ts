import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import type { LogEntry, LogOptions } from '../runtime.ts'
import { asking } from './docker-error.ts'
import { demultiplex, lines, undivided } from './stream-frames.ts'

/** Docker puts `<time> ` before each entry when asked; what follows is the container's own bytes. */
export function splitEntry(stream: LogEntry['stream'], data: Uint8Array): LogEntry {
  const space = data.indexOf(32)
  const timestamp = space < 0 ? '' : Buffer.from(data.subarray(0, space)).toString('latin1')
  return { stream, timestamp, data: space < 0 ? data : data.subarray(space + 1) }
}

export async function* containerLogs(
  docker: Docker,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, void> {
  const container = docker.getContainer(id)
  const { tty } = await asking(async () => ({ tty: (await container.inspect({ abortSignal: signal })).Config.Tty }))
  const query = {
    stdout: options.stdout,
    stderr: options.stderr,
    timestamps: true,
    abortSignal: signal,
    ...(options.sinceMs === undefined ? {} : { since: (options.sinceMs / 1000).toFixed(9) }),
    ...(options.tailLines === undefined ? {} : { tail: String(options.tailLines) }),
  }
  // dockerode buffers the answer unless it is told to follow: a long log must not be held in memory whole.
  const stream = await asking(() => askForLogs(docker, id, { ...query, follow: options.follow }))
  const abort = (): void => {
    stream.destroy()
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    const entries = tty ? lines(undivided(stream)) : demultiplex(stream, true)
    for await (const { stream: name, data } of entries) yield splitEntry(name, data)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', abort)
    stream.destroy()
  }
}

function askForLogs(docker: Docker, id: string, query: Record<string, unknown>): Promise<Readable> {
  const { abortSignal, ...options } = query
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        path: `/containers/${id}/logs?`,
        method: 'GET',
        isStream: true,
        abortSignal: abortSignal as AbortSignal,
        statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
        options,
      },
      (error: unknown, result: unknown) => {
        if (error) reject(error as Error)
        else resolve(result as Readable)
      },
    )
  })
}
