import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import type { Change, Informer, Informers } from './informer.ts'

/** Informers over plain objects, for tests: `put` and `remove` call back at once, as the store's do. */
export interface FakeInformers extends Informers {
  put(ref: GroupResource, object: KubeObject): void
  remove(ref: GroupResource, namespace: string, name: string): void
}

export function fakeInformers(): FakeInformers {
  interface Table {
    objects: Map<string, KubeObject>
    handlers: Set<(change: Change<KubeObject>) => void>
  }
  const tables = new Map<string, Table>()
  const table = (ref: GroupResource): Table => {
    const name = groupResourceName(ref)
    const known = tables.get(name) ?? { objects: new Map(), handlers: new Set() }
    tables.set(name, known)
    return known
  }
  const change = (ref: GroupResource, namespace: string, name: string, object: KubeObject | undefined): void => {
    const { objects, handlers } = table(ref)
    const key = `${namespace}/${name}`
    const previous = objects.get(key)
    if (object) objects.set(key, object)
    else objects.delete(key)
    for (const handler of handlers) handler({ object, previous, namespace, name })
  }
  return {
    for: <T extends KubeObject>(ref: GroupResource): Informer<T> => {
      const { objects, handlers } = table(ref)
      return {
        get: (namespace, name) => objects.get(`${namespace}/${name}`) as T | undefined,
        list: (namespace) =>
          [...objects.values()].filter(
            (object) => namespace === undefined || (object.metadata.namespace ?? '') === namespace,
          ) as T[],
        onChange(handler) {
          const typed = handler as (change: Change<KubeObject>) => void
          handlers.add(typed)
          return () => handlers.delete(typed)
        },
      }
    },
    put: (ref, object) => change(ref, object.metadata.namespace ?? '', object.metadata.name ?? '', object),
    remove: (ref, namespace, name) => change(ref, namespace, name, undefined),
  }
}
