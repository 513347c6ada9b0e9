import { groupResourceName, type GroupResource, type KubeObject } from '../api/object.ts'
import type { Change, Informer, Informers } from './informer.ts'

/**
 * Informers whose view can lag behind, skip states and go back in time, as replicas' views do (Sieve's three
 * perturbations: stale state, unobserved states, time travel).
 */
export interface PerturbedInformers extends Informers {
  /** From now on nothing new is seen. */
  freeze(): void
  /** Everything is as it was at this moment once {@link travelBack} is called. */
  mark(): void
  /** Shows the marked state again, and stays there. */
  travelBack(): void
  /** Shows the present; what came and went meanwhile is never seen. */
  thaw(): void
}

interface Table {
  shown: Map<string, KubeObject>
  marked: Map<string, KubeObject>
  handlers: Set<(change: Change<KubeObject>) => void>
  real: Informer<KubeObject>
}

export function perturbedInformers(real: Informers): PerturbedInformers {
  const tables = new Map<string, Table>()
  let isFrozen = false
  const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`
  const present = (informer: Informer<KubeObject>): Map<string, KubeObject> =>
    new Map(informer.list().map((object) => [keyOf(object), object]))

  const show = (table: Table, next: Map<string, KubeObject>): void => {
    const before = table.shown
    table.shown = next
    for (const key of new Set([...before.keys(), ...next.keys()])) {
      const [object, previous] = [next.get(key), before.get(key)]
      if (object !== previous) tell(table, key, object, previous)
    }
  }
  const tell = (table: Table, key: string, object: KubeObject | undefined, previous: KubeObject | undefined): void => {
    const [namespace = '', name = ''] = key.split('/')
    for (const handler of table.handlers) handler({ object, previous, namespace, name })
  }

  function table(ref: GroupResource): Table {
    const id = groupResourceName(ref)
    const known = tables.get(id)
    if (known) return known
    const informer = real.for<KubeObject>(ref)
    const made: Table = { shown: present(informer), marked: new Map(), handlers: new Set(), real: informer }
    tables.set(id, made)
    informer.onChange(({ object, namespace, name }) => {
      if (isFrozen) return
      const key = `${namespace}/${name}`
      const previous = made.shown.get(key)
      if (object) made.shown.set(key, object)
      else made.shown.delete(key)
      tell(made, key, object, previous)
    })
    return made
  }

  return {
    for: <T extends KubeObject>(ref: GroupResource): Informer<T> => {
      const one = table(ref)
      return {
        get: (namespace, name) => one.shown.get(`${namespace}/${name}`) as T | undefined,
        list: (namespace) =>
          [...one.shown.values()].filter((object) => !namespace || object.metadata.namespace === namespace) as T[],
        onChange(handler) {
          const typed = handler as (change: Change<KubeObject>) => void
          one.handlers.add(typed)
          return () => void one.handlers.delete(typed)
        },
      }
    },
    freeze: () => void (isFrozen = true),
    mark() {
      for (const one of tables.values()) one.marked = new Map(one.shown)
    },
    travelBack() {
      isFrozen = true
      for (const one of tables.values()) show(one, new Map(one.marked))
    },
    thaw() {
      isFrozen = false
      for (const one of tables.values()) show(one, present(one.real))
    },
  }
}
