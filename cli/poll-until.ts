import { setTimeout as sleep } from 'node:timers/promises'

const defaultPollMs = 200

/** Asks again until the answer is yes. Returns false when the time is over; rejects when `signal` is aborted. */
export async function pollUntil(
  ask: () => Promise<boolean>,
  { timeoutMs, signal, pollMs = defaultPollMs }: { timeoutMs: number; signal: AbortSignal; pollMs?: number },
): Promise<boolean> {
  const deadlineMs = Date.now() + timeoutMs
  for (;;) {
    if (await ask()) return true
    if (Date.now() >= deadlineMs) return false
    await sleep(pollMs, undefined, { signal })
  }
}
