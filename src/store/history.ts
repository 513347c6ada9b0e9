import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { StoreEvent } from './store.ts'
import type { ObjectView } from './view.ts'

/** A state of an object: its JSON is made for the first who looks, and then takes the place of the encoded document. */
class State {
  #view: ObjectView | undefined
  #object: KubeObject | undefined

  constructor(view: ObjectView) {
    this.#view = view
  }

  get object(): KubeObject {
    this.#object ??= must(this.#view, 'a state has its view until it has its object').object
    this.#view = undefined
    return this.#object
  }
}

/** A watch event whose objects are made only for those who look. */
class HistoryEvent implements StoreEvent {
  readonly type: StoreEvent['type']
  readonly resourceVersion: bigint
  readonly bytes: number
  readonly #state: State
  readonly #previous: State | undefined

  constructor(type: StoreEvent['type'], view: ObjectView, state: State, previous: State | undefined) {
    this.type = type
    this.resourceVersion = view.version
    this.#state = state
    this.#previous = previous
    this.bytes = 200 + (view.document?.encoded.length ?? 500)
  }

  get object(): KubeObject {
    return this.#state.object
  }

  get previous(): KubeObject | undefined {
    return this.#previous?.object
  }
}

interface Ring {
  /** Those before `start` are forgotten. */
  events: (HistoryEvent | undefined)[]
  /** Index of the oldest event still remembered. */
  start: number
  bytes: number
  /** A watch can resume from this version on. */
  floor: bigint
}

export interface HistoryLimits {
  /** Events remembered a resource. */
  maxEvents: number
  /** Encoded bytes remembered a resource. */
  maxBytes: number
}

type Listener = (event: StoreEvent) => void

/** The newest events of each resource, and who listens to them. */
export class History {
  readonly #limits: HistoryLimits
  readonly #rings = new Map<string, Ring>()
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #origin: bigint
  readonly #onListenerError: (error: unknown) => void
  /** What one event tells of is what the next one of that object calls previous. */
  readonly #states = new WeakMap<ObjectView, State>()
  readonly #queue: [string, HistoryEvent][] = []
  #draining = false

  /** `origin`: the version at which remembering begins. */
  constructor(limits: HistoryLimits, origin: bigint, onListenerError: (error: unknown) => void) {
    this.#limits = limits
    this.#origin = origin
    this.#onListenerError = onListenerError
  }

  #ring(resource: string): Ring {
    let ring = this.#rings.get(resource)
    if (!ring) {
      ring = { events: [], start: 0, bytes: 0, floor: this.#origin }
      this.#rings.set(resource, ring)
    }
    return ring
  }

  #stateOf(view: ObjectView): State {
    const state = this.#states.get(view) ?? new State(view)
    this.#states.set(view, state)
    return state
  }

  add(type: StoreEvent['type'], view: ObjectView, previous: ObjectView | undefined): void {
    const resource = groupResourceName(view.key)
    const event = new HistoryEvent(type, view, this.#stateOf(view), previous && this.#stateOf(previous))
    const ring = this.#ring(resource)
    ring.events.push(event)
    ring.bytes += event.bytes
    while (ring.events.length - ring.start > this.#limits.maxEvents || ring.bytes > this.#limits.maxBytes) {
      const oldest = ring.events[ring.start]
      if (!oldest) break
      ring.floor = oldest.resourceVersion
      ring.bytes -= oldest.bytes
      ring.events[ring.start] = undefined
      ring.start += 1
    }
    if (ring.start > 1024 && ring.start * 2 > ring.events.length) {
      ring.events.splice(0, ring.start)
      ring.start = 0
    }
    this.#queue.push([resource, event])
  }

  /** Calls the listeners. A change that a listener makes is told after the present one, never within it. */
  flush(): void {
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const [resource, event] = next
      for (const listener of this.#listeners.get(resource) ?? []) this.#tell(listener, event)
    }
    this.#draining = false
  }

  #tell(listener: Listener, event: StoreEvent): void {
    try {
      listener(event)
    } catch (error) {
      this.#onListenerError(error)
    }
  }

  /**
   * `isOwn` tells versions of this node; `current` is its newest. Throws Expired (410) when the history does not
   * reach back to `since`, BadRequest when it is no version.
   */
  watch(
    ref: GroupResource,
    since: string | undefined,
    versions: { isOwn(version: bigint): boolean; current(): bigint },
    listener: Listener,
  ): { close(): void } {
    const resource = groupResourceName(ref)
    const ring = this.#ring(resource)
    const from = since === undefined ? versions.current() : parseVersion(since)
    if (!versions.isOwn(from) || from < ring.floor) {
      throw errors.expired(`too old resource version: ${from} (${ring.floor})`)
    }
    // Events that are queued for telling are remembered as well: each goes to this listener once, by version.
    let told = from
    const once: Listener = (event) => {
      if (event.resourceVersion <= told) return
      told = event.resourceVersion
      listener(event)
    }
    const listeners = this.#listeners.get(resource) ?? new Set()
    this.#listeners.set(resource, listeners)
    // Versions grow, and most watches begin near the newest.
    let first = ring.events.length
    while (first > ring.start && (ring.events[first - 1]?.resourceVersion ?? from) > from) first -= 1
    for (const event of ring.events.slice(first)) if (event !== undefined) once(event)
    listeners.add(once)
    return { close: () => void listeners.delete(once) }
  }
}

function parseVersion(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw errors.badRequest(`invalid resource version ${JSON.stringify(text)}`)
  return BigInt(text)
}
