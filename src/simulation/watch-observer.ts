import type { KubeObject } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import { builtinResources } from '../kinds/builtin.ts'
import type { Clock } from '../lib/clock.ts'
import { createCatalogue } from '../registry/catalogue.ts'
import type { ListRequest } from '../registry/options.ts'
import { createReader, type Reader } from '../registry/reader.ts'
import type { WatchEvent, WatchStream } from '../registry/watch-stream.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { StoreEvent } from '../store/store.ts'
import { WatchedState, nameOf } from './watched-state.ts'

export const configMaps = { group: '', resource: 'configmaps' }
/** The label by which the filtered watch selects: objects get and lose it. */
export const filteredLabel = { name: 'last', value: 'f0' }

const eventLimit = 5_000

const catalogue = () => createCatalogue(builtinResources(loadBuiltinSchemas()))
/** Made once: it is the same for all nodes of all runs. */
let shared: ReturnType<typeof catalogue> | undefined

interface ObserverParts {
  node: string
  store: ObjectStore
  clock: Clock
  problem(invariant: string, what: string): void
}

/**
 * Watches one life of a node through the Kubernetes watch API, and checks what a watch promises there (the nine of
 * etcd's robustness suite): bookmarkable, ordered, unique, atomic, reliable, resumable, filterable, with the previous
 * value, and with is-create. It is told whatever the store says, so that nothing between them can get lost.
 */
export class WatchObserver {
  readonly #parts: ObserverParts
  readonly #reader: Reader
  readonly #target: Parameters<Reader['watch']>[0]
  readonly #all: WatchedState
  readonly #filtered: WatchedState
  /** What the store told, and the API has not yet. */
  #expected: StoreEvent[] = []
  readonly #told: bigint[] = []
  #lastVersion = 0n
  #checkedVersion = -1n
  #isListed = false

  constructor(parts: ObserverParts) {
    this.#parts = parts
    const { store, clock, problem, node } = parts
    shared ??= catalogue()
    this.#reader = createReader({ store, catalogue: shared, clock })
    const definition = shared.preferred(configMaps)
    if (!definition) throw new Error('there are no ConfigMaps')
    this.#target = { definition, namespace: '', name: '', subresource: '' }
    this.#all = new WatchedState(node, problem)
    this.#filtered = new WatchedState(`${node}, filtered,`, problem)
    store.watch(configMaps, undefined, (event) => this.#expected.push(event))
    const listing = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true }
    this.#follow(listing, (event) => this.#see(event))
    this.#follow({ ...listing, labelSelector: `${filteredLabel.name}=${filteredLabel.value}` }, (event) => {
      if (event.type !== 'ERROR' && event.type !== 'BOOKMARK') this.#filtered.take(event)
    })
  }

  isOf(store: ObjectStore | undefined): boolean {
    return this.#parts.store === store
  }

  #follow(request: ListRequest, see: (event: WatchEvent) => void): WatchStream {
    const stream = this.#reader.watch(this.#target, request)
    const read = async () => {
      for await (const event of stream) see(event)
    }
    void read()
    return stream
  }

  #problem(invariant: string, what: string): void {
    this.#parts.problem(invariant, `${this.#parts.node} ${what}`)
  }

  #see(event: WatchEvent): void {
    if (event.type === 'ERROR') return this.#problem('a watch does not break', event.object.message ?? '')
    const version = BigInt(event.object.metadata.resourceVersion ?? '0')
    const at = `${event.type} ${nameOf(event.object)} ${version}`
    if (event.type === 'BOOKMARK') {
      if (version < this.#lastVersion) this.#problem('a bookmark covers what was told', at)
      this.#lastVersion = version
      this.#isListed = true
      return
    }
    this.#all.take(event)
    if (!this.#isListed) return
    if (version <= this.#lastVersion) this.#problem('watch events are ordered and unique', at)
    this.#lastVersion = version
    const expected = this.#expected.shift()
    if (
      expected?.resourceVersion !== version ||
      expected.type !== event.type ||
      !isSame(expected.object, event.object)
    ) {
      this.#problem('watch events are whole, and none is missing', `${at}, the store says ${expected?.resourceVersion}`)
    }
    if (this.#told.length < eventLimit) this.#told.push(version)
  }

  /** What the events came to is what there is, whole and filtered; and no version is below what was told. */
  check(): void {
    const { store } = this.#parts
    const version = store.currentVersion()
    // Nothing can have changed since.
    if (version === this.#checkedVersion && this.#expected.length === 0) return
    this.#checkedVersion = version
    const listed = store.list(configMaps).items
    this.#all.compare(listed)
    this.#filtered.compare(
      listed.filter(({ metadata }) => metadata.labels?.[filteredLabel.name] === filteredLabel.value),
    )
    if (this.#expected.length > 0) this.#problem('a watch tells everything', `lacks ${this.#expected.length} events`)
    if (version < this.#lastVersion) this.#problem('a bookmark covers what was told', 'the store is behind')
  }

  /** A watch resumed after the n-th event tells exactly the rest; one with another node's version is told to list anew. */
  resume(n: number): void {
    const index = n % Math.max(1, this.#told.length)
    const since = this.#told[index]
    if (since === undefined || this.#told.length >= eventLimit) return
    const told: string[] = []
    const stream = this.#follow({ resourceVersion: since.toString() }, ({ object }) => {
      told.push((object as KubeObject).metadata.resourceVersion ?? '')
    })
    this.#parts.clock.after(0, () => {
      stream.close()
      const expected = this.#told.slice(index + 1)
      if (told.join() !== expected.join())
        this.#problem('a watch can be resumed', `after ${since}: ${told.length} events`)
    })
    try {
      const other = (since & ~0xffffn) | ((since + 1n) & 0xffffn)
      this.#reader.watch(this.#target, { resourceVersion: other.toString() }).close()
      this.#problem('a watch is resumed where it was', `took ${other}`)
    } catch (error) {
      if (!isStatus(error, 'Expired')) this.#problem('a watch is resumed where it was', String(error))
    }
  }
}

const isSame = (a: KubeObject, b: KubeObject): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)
