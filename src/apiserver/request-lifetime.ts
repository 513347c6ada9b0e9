import type { Clock, Timer } from '../lib/clock.ts'
import type { Response } from './exchange.ts'

/** How long one request may go on. */
export interface RequestLifetime {
  /** Aborted when the client leaves, the time is over or the server stops. */
  readonly signal: AbortSignal
  /** Aborts with `reason` after a time, unless the request is served before. */
  limit(timeoutMs: number, reason: Error): void
  /** The request is served. */
  end(): void
}

/**
 * Makes the lifetimes of a server's requests, which end at the latest with `stopping`. `isLong` are those whose client
 * may leave after they are served: upgraded connections.
 */
export function requestLifetimes(
  stopping: AbortSignal,
  clock: Clock,
  gone: Error,
): (response: Response, isLong: boolean) => RequestLifetime {
  // One listener for all of them: a signal composed of two for each would be the dearest part of a small request.
  const serving = new Set<AbortController>()
  stopping.addEventListener('abort', () => serving.forEach((one) => one.abort(stopping.reason)), { once: true })
  return (response, isLong) => {
    const controller = new AbortController()
    let timer: Timer | undefined
    let isServed = false
    if (stopping.aborted) controller.abort(stopping.reason)
    else serving.add(controller)
    response.once('close', () => {
      serving.delete(controller)
      if (isLong || !isServed) controller.abort(gone)
    })
    return {
      signal: controller.signal,
      limit(timeoutMs, reason) {
        timer = clock.after(timeoutMs, () => controller.abort(reason))
      },
      end() {
        isServed = true
        timer?.cancel()
        if (!isLong) serving.delete(controller)
      },
    }
  }
}
