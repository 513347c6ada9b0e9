import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import type { Informers } from '../client/informer.ts'
import type { Index, View } from './controller.ts'

/** A view with indexes, which live until it is closed. */
export interface IndexedView extends View {
  close(): void
}

interface Table {
  /** Object keys (`namespace/name`) by index value. */
  readonly filed: Map<string, Set<string>>
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
    const filed = new Map<string, Set<string>>()
    const file = (key: string, value: string): void => {
      const keys = filed.get(value)
      if (keys) keys.add(key)
      else filed.set(value, new Set([key]))
    }
    const unfile = (key: string, value: string): void => {
      const keys = filed.get(value)
      if (keys?.delete(key) && keys.size === 0) filed.delete(value)
    }
    for (const object of informer.list())
      for (const value of index.valuesOf(object))
        file(`${object.metadata.namespace ?? ''}/${object.metadata.name}`, value)
    const stop = informer.onChange(({ object, previous, namespace, name }) => {
      const key = `${namespace}/${name}`
      if (previous) for (const value of index.valuesOf(previous)) unfile(key, value)
      if (object) for (const value of index.valuesOf(object)) file(key, value)
    })
    const made = { filed, stop }
    tables.set(id, made)
    return made
  }

  return {
    get: (ref, namespace, name) => informers.for<never>(ref).get(namespace, name),
    list: (ref, namespace) => informers.for<never>(ref).list(namespace),
    indexed<T extends KubeObject>(ref: GroupResource, index: Index, value: string): T[] {
      const informer = informers.for<T>(ref)
      return [...(table(ref, index).filed.get(value) ?? [])].toSorted().flatMap((key) => {
        const slash = key.indexOf('/')
        const object = informer.get(key.slice(0, slash), key.slice(slash + 1))
        return object ? [object] : []
      })
    },
    close() {
      for (const { stop } of tables.values()) stop()
      tables.clear()
    },
  }
}
