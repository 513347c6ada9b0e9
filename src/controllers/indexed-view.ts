import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import type { Informers } from '../client/informer.ts'
import type { Index, View } from './controller.ts'

/** A view with indexes, which live until it is closed. */
export interface IndexedView extends View {
  close(): void
}

interface Place {
  readonly namespace: string
  readonly name: string
}

/** What is filed under one value. */
interface Drawer {
  /** By key (`namespace/name`). */
  readonly places: Map<string, Place>
  /** By key in order; undefined when it has to be put in order again. */
  sorted: readonly Place[] | undefined
}

interface Table {
  /** By index value. */
  readonly drawers: Map<string, Drawer>
  stop(): void
}

/**
 * The view that informers give. An index is built when it is first asked for, from one pass over the resource, and kept
 * up to date by its own watch from then on. It holds keys, not objects: what is returned is always the present state.
 */
export function indexedView(informers: Informers): IndexedView {
  const tables = new Map<string, Table>()

  function table(ref: GroupResource, index: Index): Table {
    const id = `${groupResourceName(ref)} ${index.name}`
    const known = tables.get(id)
    if (known) return known
    const informer = informers.for<KubeObject>(ref)
    const drawers = new Map<string, Drawer>()
    for (const object of informer.list()) {
      const { namespace = '', name = '' } = object.metadata
      for (const value of index.valuesOf(object)) file(drawers, value, { namespace, name })
    }
    const stop = informer.onChange(({ object, previous, namespace, name }) => {
      const before = previous ? index.valuesOf(previous) : []
      const now = object ? index.valuesOf(object) : []
      for (const value of before) if (!now.includes(value)) unfile(drawers, value, `${namespace}/${name}`)
      for (const value of now) if (!before.includes(value)) file(drawers, value, { namespace, name })
    })
    const made = { drawers, stop }
    tables.set(id, made)
    return made
  }

  return {
    get: (ref, namespace, name) => informers.for<never>(ref).get(namespace, name),
    list: (ref, namespace) => informers.for<never>(ref).list(namespace),
    indexed<T extends KubeObject>(ref: GroupResource, index: Index, value: string): T[] {
      const drawer = table(ref, index).drawers.get(value)
      if (!drawer) return []
      drawer.sorted ??= [...drawer.places].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place)
      const informer = informers.for<T>(ref)
      const found: T[] = []
      for (const { namespace, name } of drawer.sorted) {
        const object = informer.get(namespace, name)
        if (object) found.push(object)
      }
      return found
    },
    countIndexed: (ref, index, value) => table(ref, index).drawers.get(value)?.places.size ?? 0,
    close() {
      for (const { stop } of tables.values()) stop()
      tables.clear()
    },
  }
}

function file(drawers: Map<string, Drawer>, value: string, place: Place): void {
  let drawer = drawers.get(value)
  if (!drawer) drawers.set(value, (drawer = { places: new Map(), sorted: undefined }))
  drawer.places.set(`${place.namespace}/${place.name}`, place)
  drawer.sorted = undefined
}

function unfile(drawers: Map<string, Drawer>, value: string, key: string): void {
  const drawer = drawers.get(value)
  if (!drawer?.places.delete(key)) return
  drawer.sorted = undefined
  if (drawer.places.size === 0) drawers.delete(value)
}
