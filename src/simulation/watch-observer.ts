import type { KubeObject } from '../api/object.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { StoreEvent } from '../store/store.ts'

export const configMaps = { group: '', resource: 'configmaps' }

const nameOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
const eventLimit = 5_000

/**
 * Watches one life of a node and checks what a watch promises: events in order, each once, each whole; with the
 * state before; ADDED exactly for what was not there; and together they always come to what a list shows.
 */
export class WatchObserver {
  readonly #node: string
  readonly #store: ObjectStore
  readonly #problem: (invariant: string, what: string) => void
  readonly #known = new Map<string, KubeObject>()
  readonly #events: StoreEvent[] = []
  #lastVersion: bigint

  constructor(node: string, store: ObjectStore, problem: (invariant: string, what: string) => void) {
    this.#node = node
    this.#store = store
    this.#problem = problem
    this.#lastVersion = store.currentVersion()
    for (const object of store.list(configMaps).items) this.#known.set(nameOf(object), object)
    store.watch(configMaps, undefined, (event) => this.#see(event))
  }

  isOf(store: ObjectStore | undefined): boolean {
    return this.#store === store
  }

  #see(event: StoreEvent): void {
    const { type, object, previous, resourceVersion } = event
    const at = `${this.#node} ${type} ${nameOf(object)} ${resourceVersion}`
    if (resourceVersion <= this.#lastVersion) this.#problem('watch events are ordered and unique', at)
    if (object.metadata.resourceVersion !== resourceVersion.toString()) this.#problem('watch events are whole', at)
    const before = this.#known.get(nameOf(object))
    if ((type === 'ADDED') !== (before === undefined)) this.#problem('a watch tells what is new', at)
    if (JSON.stringify(before) !== JSON.stringify(previous)) this.#problem('a watch tells the state before', at)
    this.#lastVersion = resourceVersion
    if (this.#events.length < eventLimit) this.#events.push(event)
    if (type === 'DELETED') this.#known.delete(nameOf(object))
    else this.#known.set(nameOf(object), object)
  }

  /** What the events came to is what there is; and newest versions are never below what was told. */
  check(): void {
    const listed = this.#store.list(configMaps).items
    const told = listed.every((object) => {
      const known = this.#known.get(nameOf(object))
      return known === object || JSON.stringify(known) === JSON.stringify(object)
    })
    if (!told || listed.length !== this.#known.size) this.#problem('a watch tells everything', this.#node)
    if (this.#store.currentVersion() < this.#lastVersion) this.#problem('a bookmark covers what was told', this.#node)
  }

  /** A watch resumed after the n-th event tells exactly the rest. */
  resume(n: number): void {
    if (this.#events.length === 0) return
    const index = n % this.#events.length
    const since = this.#events[index]?.resourceVersion
    if (since === undefined) return
    const told: bigint[] = []
    this.#store.watch(configMaps, since.toString(), (event) => told.push(event.resourceVersion)).close()
    const expected = this.#events.slice(index + 1).map(({ resourceVersion }) => resourceVersion)
    if (this.#events.length < eventLimit && told.join() !== expected.join())
      this.#problem('a watch can be resumed', `${this.#node} after ${since}`)
  }
}
