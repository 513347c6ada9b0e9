import type { Clock, Timer } from './clock.ts'

export interface KeepInStepOptions {
  /** Makes the world what it should be, from the state at that moment. */
  sync(): Promise<void>
  /** Tells of every change that may concern `sync`; returns how to stop listening. */
  onChange(changed: () => void): () => void
  onError(error: unknown): void
  clock: Clock
  /** Changes that come in quick succession are one. */
  settleMs?: number
  retryMs: number
}

/**
 * Runs `sync` at once, after every change, and again after a failure; never twice at a time. Level-triggered: what is
 * missed costs a delay, not a state. Resolves when the signal has come and nothing runs any more.
 */
export async function keepInStep(options: KeepInStepOptions, signal: AbortSignal): Promise<void> {
  const { clock, settleMs = 0, retryMs } = options
  let isDue = true
  let timer: Timer | undefined
  let wake = (): void => {}
  const after = (delayMs: number): void => {
    timer ??= clock.after(delayMs, () => {
      timer = undefined
      isDue = true
      wake()
    })
  }
  const stop = options.onChange(() => after(settleMs))
  signal.addEventListener('abort', () => wake(), { once: true })
  while (!signal.aborted) {
    if (isDue) {
      isDue = false
      await options.sync().catch((error: unknown) => {
        if (signal.aborted) return
        options.onError(error)
        after(retryMs)
      })
    } else {
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  timer?.cancel()
  stop()
}
