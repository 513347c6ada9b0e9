/** Remembered at once; beyond it the oldest is forgotten, and its dependents wait once more. */
const maxRemembered = 50_000

/**
 * Tells what has gone from what has not come yet. Replicas learn of objects in any order: an owner that is not here may
 * be on its way. Who was seen to go is known to be gone; who was never seen counts as gone after a wait.
 *
 * State beside the pure plans, owned by one controller for one term of leadership.
 */
export interface Absence {
  /** It was here and went. */
  went(id: string): void
  /** It is here (again). */
  present(id: string): void
  /** Milliseconds until its absence counts: 0 for what was seen to go. */
  leftMs(id: string, nowMs: number): number
}

export function createAbsence(waitMs: number): Absence {
  const gone = new Set<string>()
  const missingSinceMs = new Map<string, number>()
  const bounded = (entries: Set<string> | Map<string, number>): void => {
    const [oldest] = entries.keys()
    if (entries.size > maxRemembered && oldest !== undefined) entries.delete(oldest)
  }
  return {
    went(id) {
      gone.delete(id)
      gone.add(id)
      missingSinceMs.delete(id)
      bounded(gone)
    },
    present(id) {
      gone.delete(id)
      missingSinceMs.delete(id)
    },
    leftMs(id, nowMs) {
      if (gone.has(id)) return 0
      const since = missingSinceMs.get(id)
      if (since !== undefined) return Math.max(0, since + waitMs - nowMs)
      missingSinceMs.set(id, nowMs)
      bounded(missingSinceMs)
      return waitMs
    },
  }
}
