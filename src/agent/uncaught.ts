import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'

/** How long services may take to stop after a fault; below what systemd allows (TimeoutStopSec). */
const stopLimitMs = 15_000

/** The part of `process` that this needs. */
export interface Program {
  on(event: 'uncaughtException', handler: (error: unknown, origin: string) => void): unknown
  off(event: 'uncaughtException', handler: (error: unknown, origin: string) => void): unknown
  exit(code: number): unknown
}

/**
 * Aborts at the first exception, or rejection of a promise, that nobody caught: the program is in a state that nobody
 * thought of, and must not go on. It is logged with its stack, and the agent stops in order, for its supervisor to start
 * it anew; where that takes too long it ends as it is.
 */
export function endOnUncaught(program: Program, clock: Clock, logger: Logger): { signal: AbortSignal; stop(): void } {
  const failed = new AbortController()
  // Node hands rejections on as exceptions where nobody listens to them as such.
  const caught = (error: unknown, origin: string): void => {
    logger.error({ err: error, origin }, 'a fault that nobody caught: the agent ends')
    if (failed.signal.aborted) return
    clock.after(stopLimitMs, () => program.exit(1))
    failed.abort(new Error('the agent ended over a fault that nobody caught, see its log', { cause: error }))
  }
  program.on('uncaughtException', caught)
  return { signal: failed.signal, stop: () => void program.off('uncaughtException', caught) }
}
