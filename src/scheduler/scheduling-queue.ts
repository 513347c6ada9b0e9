import type { Pod } from '../api/kinds.ts'
import { startDeadlineMs } from './deadlines.ts'
import type { ClusterEvent } from './framework/cluster-event.ts'
import { type PodInfo, podInfoOf } from './framework/pod-info.ts'
import { createHeap } from './heap.ts'

/** Pause after a first failed attempt, doubling up to the most (upstream's podInitial/MaxBackoffSeconds). */
const firstBackoffMs = 1000
const maxBackoffMs = 10_000
/** A pod that nothing happened for is tried again after this long. */
const maxUnschedulableMs = 5 * 60_000

type Place = 'active' | 'backoff' | 'unschedulable' | 'tried'

interface Entry {
  info: PodInfo
  place: Place
  attempts: number
  /** Monotonic ms from which it may be tried again. */
  readyMs: number
  /** Monotonic ms since when it waits for something to happen. */
  sinceMs: number
  /** Plugins that refused it; empty when anything may help. */
  plugins: ReadonlySet<string>
  readonly priority: number
  readonly deadlineMs: number
  readonly arrival: number
}

/** Says whether an event may make a plugin accept a pod that it refused. */
export type MayHelp = (info: PodInfo, plugin: string, event: ClusterEvent) => boolean

/**
 * Pods that wait for a node. Pure: time is an argument. A pod is ready to be tried (by priority, deadline and arrival),
 * in back-off, refused by every node until something happens that one of the plugins that refused it cares about, or
 * being tried.
 */
export interface SchedulingQueue {
  readonly size: number
  has(uid: string): boolean
  /** Adds a pod, or takes its new state; a change that may make it fit lets it be tried again. */
  upsert(pod: Pod, nowMs: number): void
  remove(uid: string): void
  /** Takes the next pod to try. It stays in the queue as being tried until one of the next three is called. */
  pop(nowMs: number): Pod | undefined
  /** No node took it. */
  unschedulable(uid: string, plugins: ReadonlySet<string>, nowMs: number): void
  /** The attempt failed for a reason of ours (binding refused, no leader): back-off only. */
  retry(uid: string, nowMs: number): void
  /** Something happened. Returns how many pods may be tried again because of it. */
  move(event: ClusterEvent, nowMs: number): number
  /** Milliseconds until a pod may be tried; 0 when one may now; undefined when none waits for time. */
  nextInMs(nowMs: number): number | undefined
  /** How many pods are where. */
  counts(): Readonly<Record<Place, number>>
}

export function createSchedulingQueue(mayHelp: MayHelp): SchedulingQueue {
  const entries = new Map<string, Entry>()
  const active = createHeap<Entry>(comesBefore)
  const backoff = createHeap<Entry>((a, b) => (a.readyMs === b.readyMs ? comesBefore(a, b) : a.readyMs < b.readyMs))
  /** In order of when they came in, which is the order in which their time is over. */
  const unschedulable = new Set<Entry>()
  let arrivals = 0

  const leave = (entry: Entry): void => {
    if (entry.place === 'active') active.remove(entry)
    else if (entry.place === 'backoff') backoff.remove(entry)
    else if (entry.place === 'unschedulable') unschedulable.delete(entry)
  }
  const enter = (entry: Entry, place: Place): void => {
    entry.place = place
    if (place === 'active') active.push(entry)
    else if (place === 'backoff') backoff.push(entry)
    else if (place === 'unschedulable') unschedulable.add(entry)
  }
  /** To be tried as soon as its back-off is over. */
  const release = (entry: Entry, nowMs: number): void => {
    leave(entry)
    enter(entry, entry.readyMs > nowMs ? 'backoff' : 'active')
  }
  const flush = (nowMs: number): void => {
    for (let entry = backoff.peek(); entry && entry.readyMs <= nowMs; entry = backoff.peek()) release(entry, nowMs)
    for (const entry of unschedulable) {
      if (nowMs - entry.sinceMs < maxUnschedulableMs) break
      release(entry, nowMs)
    }
  }
  const create = (pod: Pod, nowMs: number): Entry => {
    const info = podInfoOf(pod)
    return {
      info,
      place: 'active',
      attempts: 0,
      readyMs: nowMs,
      sinceMs: nowMs,
      plugins: new Set(),
      priority: info.priority,
      deadlineMs: startDeadlineMs(pod) ?? Infinity,
      arrival: arrivals++,
    }
  }

  return {
    get size() {
      return entries.size
    },
    has: (uid) => entries.has(uid),
    upsert(pod, nowMs) {
      const info = podInfoOf(pod)
      const entry = entries.get(info.uid)
      if (!entry) {
        const added = create(pod, nowMs)
        entries.set(info.uid, added)
        enter(added, 'active')
        return
      }
      const before = entry.info.pod
      const isOther = before.metadata.generation !== pod.metadata.generation || !sameWishes(before, pod)
      if (entry.priority !== info.priority || entry.deadlineMs !== (startDeadlineMs(pod) ?? Infinity)) {
        leave(entry)
        const moved = { ...entry, info, priority: info.priority, deadlineMs: startDeadlineMs(pod) ?? Infinity }
        entries.set(info.uid, moved)
        enter(moved, entry.place)
        if (moved.place === 'unschedulable') release(moved, nowMs)
        return
      }
      entry.info = info
      if (isOther && entry.place === 'unschedulable') release(entry, nowMs)
    },
    remove(uid) {
      const entry = entries.get(uid)
      if (!entry) return
      leave(entry)
      entries.delete(uid)
    },
    pop(nowMs) {
      flush(nowMs)
      const entry = active.pop()
      if (!entry) return undefined
      entry.attempts++
      enter(entry, 'tried')
      return entry.info.pod
    },
    unschedulable(uid, plugins, nowMs) {
      const entry = entries.get(uid)
      if (!entry) return
      leave(entry)
      entry.plugins = plugins
      entry.sinceMs = nowMs
      entry.readyMs = nowMs + backoffMs(entry.attempts)
      enter(entry, 'unschedulable')
    },
    retry(uid, nowMs) {
      const entry = entries.get(uid)
      if (!entry) return
      leave(entry)
      entry.readyMs = nowMs + backoffMs(entry.attempts)
      enter(entry, 'backoff')
    },
    move(event, nowMs) {
      let moved = 0
      for (const entry of unschedulable) {
        const { info, plugins } = entry
        if (plugins.size > 0 && ![...plugins].some((plugin) => mayHelp(info, plugin, event))) continue
        release(entry, nowMs)
        moved++
      }
      return moved
    },
    nextInMs(nowMs) {
      flush(nowMs)
      if (active.size > 0) return 0
      const oldest = unschedulable.values().next().value
      const next = Math.min(
        backoff.peek()?.readyMs ?? Infinity,
        oldest ? oldest.sinceMs + maxUnschedulableMs : Infinity,
      )
      return next === Infinity ? undefined : Math.max(0, next - nowMs)
    },
    counts: () => ({
      active: active.size,
      backoff: backoff.size,
      unschedulable: unschedulable.size,
      tried: entries.size - active.size - backoff.size - unschedulable.size,
    }),
  }
}

/** Pause after so many attempts, in milliseconds. */
export const backoffMs = (attempts: number): number =>
  Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.max(0, attempts - 1))

/** Higher priority, then earlier deadline, then earlier arrival. */
function comesBefore(a: Entry, b: Entry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority
  if (a.deadlineMs !== b.deadlineMs) return a.deadlineMs < b.deadlineMs
  return a.arrival < b.arrival
}

/** Labels decide about affinity, annotations about pressure and deadline; the rest of a spec changes its generation. */
const sameWishes = (a: Pod, b: Pod): boolean =>
  JSON.stringify([a.metadata.labels, a.metadata.annotations]) ===
  JSON.stringify([b.metadata.labels, b.metadata.annotations])
