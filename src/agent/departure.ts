import { existsSync } from 'node:fs'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'

const lookEveryMs = 1_000

/**
 * Aborts when the machine's identity is gone: `stormo leave` has taken the machine out of its cluster, and an agent
 * without identity, keys and state could only fail at whatever it did next.
 */
export function watchDeparture(
  identityPath: string,
  clock: Clock,
  logger: Logger,
): { signal: AbortSignal; stop(): void } {
  const gone = new AbortController()
  let timer: Timer | undefined
  const look = (): void => {
    timer = undefined
    if (existsSync(identityPath)) timer = clock.after(lookEveryMs, look)
    else {
      logger.info({}, 'this machine has left its cluster: the agent ends')
      gone.abort(new Error('this machine has left its cluster'))
    }
  }
  timer = clock.after(lookEveryMs, look)
  return { signal: gone.signal, stop: () => timer?.cancel() }
}
