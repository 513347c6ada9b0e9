import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { StartAttempts } from './start-attempts.ts'

/** Wait before the next try after something has failed, and the longest that it grows to (as upstream's pod workers). */
const retryMs = 1_000
const maxRetryMs = 10_000
/** Reasons to look again that lie this close together are one. */
const minRecheckMs = 10

export interface PodLoopOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Remembers how long failed work pauses. */
  readonly attempts: StartAttempts
  /** One look at the pod. Never called while one is under way. */
  readonly sync: () => Promise<void>
}

/** When one pod is looked at, and what is under way for it between the looks. */
export interface PodLoop {
  /** Look again: something may have changed. */
  wake(): void
  /** Look again after this long. The nearest of all reasons counts. */
  recheck(delayMs: number): void
  /** Something has failed: look again after a growing pause. Returns its length in ms. */
  retryLater(error: unknown): number
  /**
   * At most one piece of work for a thing at a time; when it is over, everything is looked at again. What failed is not
   * tried before its pause is over, however often the pod is looked at meanwhile.
   */
  doing(what: string, run: () => Promise<void>): void
  isDoing(what: string): boolean
  /** Resolves, and never rejects, once none of these is under way. */
  settled(...what: string[]): Promise<void>
  readonly isIdle: boolean
  /** No look and no work begins any more. */
  close(): void
  /** Resolves once what was under way is over, except the work that is named. */
  drained(except: string): Promise<void>
}

export function createPodLoop({ clock, logger, attempts, sync }: PodLoopOptions): PodLoop {
  const work = new Map<string, Promise<void>>()
  let timer: Timer | undefined
  let timerAtMs = 0
  let syncing: Promise<void> | undefined
  let dirty = false
  let closed = false
  let failedTries = 0

  const isOpen = (): boolean => !closed

  function wake(): void {
    if (closed) return
    dirty = true
    syncing ??= run().finally(() => {
      syncing = undefined
      if (dirty) wake()
    })
  }

  async function run(): Promise<void> {
    while (dirty && isOpen()) {
      dirty = false
      try {
        await sync()
      } catch (error) {
        retryLater(error)
      }
    }
  }

  function retryLater(error: unknown): number {
    if (closed || (error as Error).name === 'AbortError') return 0
    failedTries++
    const delayMs = Math.min(maxRetryMs, retryMs * 2 ** Math.min(failedTries - 1, 5))
    logger.warn({ error: (error as Error).message, delayMs }, 'pod could not be brought to its state; trying again')
    recheck(delayMs)
    return delayMs
  }

  function recheck(delayMs: number): void {
    const atMs = clock.monotonicMs() + Math.max(minRecheckMs, delayMs)
    if (closed || (timer !== undefined && timerAtMs <= atMs)) return
    timer?.cancel()
    timerAtMs = atMs
    timer = clock.after(atMs - clock.monotonicMs(), () => {
      timer = undefined
      wake()
    })
  }

  const drain = async (names: readonly string[]): Promise<void> =>
    void (await Promise.allSettled(names.map((name) => work.get(name))))

  return {
    wake,
    recheck,
    retryLater,
    doing(what, run) {
      if (work.has(what) || closed || !attempts.mayTry(`pod/${what}`, clock.nowMs())) return
      const promise = run()
        .then(() => {
          failedTries = 0
        })
        .catch((error: unknown) => attempts.postpone(`pod/${what}`, clock.nowMs() + retryLater(error)))
        .finally(() => {
          work.delete(what)
          wake()
        })
      work.set(what, promise)
    },
    isDoing: (what) => work.has(what),
    settled: (...what) => drain(what),
    get isIdle() {
      return work.size === 0
    },
    close() {
      closed = true
      timer?.cancel()
    },
    async drained(except) {
      await syncing
      await drain([...work.keys()].filter((what) => what !== except))
    },
  }
}
