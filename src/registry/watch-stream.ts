import type { Status } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'

/** meta/v1 WatchEvent. */
export type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; object: Status }

/** An object that changed, of which only who converts it can say whether the watch selects it, now or before. */
export interface Unjudged {
  type: 'UNJUDGED'
  object: KubeObject
  /** Absent where it was not selected before, whatever its fields were. */
  previous?: KubeObject
  /** Deleted, or no longer selected whatever its fields are. */
  isGone: boolean
}

/** The events of one watch. Single consumer. Ends after an ERROR, on close, and when the watch's time is over. */
export interface WatchStream<E = WatchEvent> extends AsyncIterable<E> {
  close(): void
}

/** A watcher that is this many events behind is ended with 410: it lists again rather than eat the node's memory. */
const maxPending = 10_000

/** The queue between the store, which calls synchronously, and a client that reads at its own pace. */
export interface WatchQueue<E = WatchEvent> extends WatchStream<E> {
  /** False once the queue is closed or overflowed. */
  push(event: E): boolean
  /** Nothing is waiting to be read: the moment for a bookmark. */
  readonly idle: boolean
  /** Lets what is queued be read, then ends. */
  finish(): void
  onClose(handler: () => void): void
}

/** `overflow` builds the event that ends an overfull queue. */
export function createWatchQueue<E = WatchEvent>(overflow: () => E, limit = maxPending): WatchQueue<E> {
  let pending: E[] = []
  let finished = false
  let wake: (() => void) | undefined
  const closers: (() => void)[] = []

  function finish(): void {
    if (finished) return
    finished = true
    for (const handler of closers) handler()
    wake?.()
  }

  return {
    get idle() {
      return pending.length === 0
    },
    push(event) {
      if (finished) return false
      if (pending.length >= limit) {
        pending = [overflow()]
        finish()
        return false
      }
      pending.push(event)
      wake?.()
      return true
    },
    finish,
    close() {
      pending = []
      finish()
    },
    onClose(handler) {
      if (finished) handler()
      else closers.push(handler)
    },
    async *[Symbol.asyncIterator]() {
      try {
        while (true) {
          // Taken whole: shifting a long array one by one is quadratic.
          const batch = pending
          pending = []
          yield* batch
          if (pending.length > 0) continue
          if (finished) return
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          wake = undefined
        }
      } finally {
        finish()
      }
    },
  }
}
