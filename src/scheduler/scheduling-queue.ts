import type { Pod } from '../api/kinds.ts'

/** Seconds between attempts of a pod that could not be placed: 1 doubling to 10 (upstream's podInitial/MaxBackoff). */
const firstBackoffMs = 1000
const maxBackoffMs = 10_000
/** A pod that nothing happened for is tried again after this long. */
const maxUnschedulableMs = 5 * 60_000

interface Entry {
  pod: Pod
  attempts: number
  /** Monotonic ms from which it may be tried again. */
  readyMs: number
  /** Order of arrival. */
  sequence: number
  unschedulableSinceMs: number | undefined
}

/**
 * Pods that wait for a node (pure; time is an argument): those that are ready to be tried, in order of priority and
 * arrival; those in back-off; and those that no node would take, which wait until something changes.
 */
export class SchedulingQueue {
  readonly #entries = new Map<string, Entry>()
  #sequence = 0

  get length(): number {
    return this.#entries.size
  }

  /** Adds a pod, or takes its new state; an update that may make it schedulable lets it be tried at once. */
  upsert(pod: Pod, nowMs: number): void {
    const entry = this.#entries.get(pod.metadata.uid!)
    if (entry) {
      const changed =
        entry.pod.metadata.generation !== pod.metadata.generation ||
        JSON.stringify(entry.pod.metadata.labels) !== JSON.stringify(pod.metadata.labels)
      entry.pod = pod
      if (changed && entry.unschedulableSinceMs !== undefined) {
        entry.unschedulableSinceMs = undefined
        entry.readyMs = nowMs
      }
      return
    }
    this.#entries.set(pod.metadata.uid!, {
      pod,
      attempts: 0,
      readyMs: nowMs,
      sequence: this.#sequence++,
      unschedulableSinceMs: undefined,
    })
  }

  remove(uid: string): void {
    this.#entries.delete(uid)
  }

  /** The cluster changed: pods that no node would take may be tried again once their back-off is over. */
  moveAll(): void {
    for (const entry of this.#entries.values()) entry.unschedulableSinceMs = undefined
  }

  /** Takes the next pod that may be tried now. */
  pop(nowMs: number): Pod | undefined {
    let best: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (!isReady(entry, nowMs)) continue
      if (!best || comesBefore(entry, best)) best = entry
    }
    if (!best) return undefined
    best.attempts++
    best.readyMs = Infinity
    return best.pod
  }

  /** No node took it: back-off, and then only when something has changed. */
  unschedulable(uid: string, nowMs: number): void {
    const entry = this.#entries.get(uid)
    if (!entry) return
    entry.readyMs = nowMs + backoffMs(entry.attempts)
    entry.unschedulableSinceMs = nowMs
  }

  /** The attempt failed for a reason of ours (binding refused, no leader): back-off only. */
  retry(uid: string, nowMs: number): void {
    const entry = this.#entries.get(uid)
    if (entry) entry.readyMs = nowMs + backoffMs(entry.attempts)
  }

  /** Milliseconds until a pod may be tried; undefined when none waits for time. */
  nextInMs(nowMs: number): number | undefined {
    let next: number | undefined
    for (const entry of this.#entries.values()) {
      if (entry.readyMs === Infinity) continue
      const at =
        entry.unschedulableSinceMs === undefined ? entry.readyMs : entry.unschedulableSinceMs + maxUnschedulableMs
      next = Math.min(next ?? Infinity, Math.max(0, at - nowMs))
    }
    return next
  }
}

const backoffMs = (attempts: number): number => Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.max(0, attempts - 1))

function isReady(entry: Entry, nowMs: number): boolean {
  if (entry.readyMs > nowMs) return false
  return entry.unschedulableSinceMs === undefined || nowMs - entry.unschedulableSinceMs >= maxUnschedulableMs
}

function comesBefore(a: Entry, b: Entry): boolean {
  const priority = (entry: Entry): number => entry.pod.spec?.priority ?? 0
  return priority(a) !== priority(b) ? priority(a) > priority(b) : a.sequence < b.sequence
}
