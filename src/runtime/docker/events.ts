import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { labelKeys } from '../container-names.ts'
import { RuntimeError, type RuntimeEvent } from '../runtime.ts'
import { asking } from './docker-error.ts'

/** Events of a container after which its state may differ. */
const watchedActions = ['create', 'start', 'die', 'oom', 'destroy', 'rename', 'stop', 'kill', 'pause', 'unpause']

/** Ends only by an error or the signal. */
export async function* watchEvents(docker: Docker, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void, void> {
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
