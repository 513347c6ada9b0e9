import { percentile } from './statistics.ts'

export interface LoadResult {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly count: number
}

/**
 * Closed loop: `workers` callers, each beginning its next operation when the last one has ended, until the time is
 * over. A failure ends the load: a rate that counts failures says nothing. Operations get a number of their own.
 */
export async function load(
  options: { workers: number; durationMs: number; signal: AbortSignal },
  operation: (number: number, worker: number) => Promise<unknown>,
): Promise<LoadResult> {
  const latenciesMs: number[] = []
  const begin = performance.now()
  const end = begin + options.durationMs
  let next = 0
  const work = async (worker: number): Promise<void> => {
    while (performance.now() < end) {
      options.signal.throwIfAborted()
      const from = performance.now()
      await operation(next++, worker)
      latenciesMs.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: options.workers }, (_, worker) => work(worker)))
  const tookSeconds = (performance.now() - begin) / 1000
  return {
    perSecond: latenciesMs.length / tookSeconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    count: latenciesMs.length,
  }
}

/** Polls until `probe` gives something. */
export async function until<T>(
  what: string,
  options: { timeoutMs: number; everyMs: number; signal: AbortSignal },
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs
  for (;;) {
    options.signal.throwIfAborted()
    const found = await probe()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${options.timeoutMs / 1000} s`)
    await pause(options.everyMs, options.signal)
  }
}

/** Rejects when aborted. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, durationMs)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
