import type { KubeObject } from '../api/object.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'

/**
 * The object, waited for when it is not there yet: what another node or a controller has just made may be a moment
 * behind on this one. Undefined after `waitMs`, or when the request is aborted.
 */
export function awaitObject<T extends KubeObject>(
  informer: Informer<T>,
  key: { namespace: string; name: string },
  options: { waitMs: number; clock: Clock; signal?: AbortSignal },
): Promise<T | undefined> | T | undefined {
  const known = informer.get(key.namespace, key.name)
  if (known || options.waitMs <= 0 || options.signal?.aborted) return known
  return new Promise((resolve) => {
    const finish = (object: T | undefined): void => {
      stop()
      timer.cancel()
      options.signal?.removeEventListener('abort', giveUp)
      resolve(object)
    }
    const giveUp = (): void => finish(undefined)
    const stop = informer.onChange(({ namespace, name, object }) => {
      if (object && namespace === key.namespace && name === key.name) finish(object)
    })
    const timer = options.clock.after(options.waitMs, giveUp)
    options.signal?.addEventListener('abort', giveUp)
  })
}
