import type { Clock } from '../lib/clock.ts'
import { sleep } from '../lib/sleep.ts'

/**
 * Does the work at once, and `everyMs` after it ended again, until the signal is aborted. A failure is told, and ends
 * nothing. Never rejects.
 */
export async function pollUntil(
  signal: AbortSignal,
  { clock, everyMs, onError }: { clock: Clock; everyMs: number; onError(error: unknown): void },
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work().catch(onError)
    await sleep(clock, everyMs, signal).catch(() => undefined)
  }
}
