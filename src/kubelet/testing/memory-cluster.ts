import type { GroupResource, KubeObject } from '../../api/object.ts'
import { groupResourceName } from '../../api/object.ts'
import { errors } from '../../api/status-error.ts'
import type { CallOptions, Client, DeleteOptions } from '../../client/client.ts'
import type { Change, Informer, Informers } from '../../client/informer.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Pod } from '../../api/kinds.ts'

export interface RecordedEvent {
  readonly name: string
  readonly type: string
  readonly reason: string
  readonly message: string
}

/** An API of one machine in memory, as far as a kubelet needs one. */
export interface MemoryCluster {
  readonly client: Client
  readonly informers: Informers
  readonly events: EventRecorder
  readonly recorded: RecordedEvent[]
  put<T extends KubeObject>(ref: GroupResource, object: T): T
  get<T extends KubeObject>(ref: GroupResource, namespace: string, name: string): T | undefined
  drop(ref: GroupResource, namespace: string, name: string): void
}

const keyOf = (ref: GroupResource, namespace: string, name: string): string =>
  `${groupResourceName(ref)}/${namespace}/${name}`

export function createMemoryCluster(now: () => number): MemoryCluster {
  const objects = new Map<string, { ref: string; object: KubeObject }>()
  const handlers = new Map<string, Set<(change: Change<KubeObject>) => void>>()
  const recorded: RecordedEvent[] = []
  let version = 0

  function emit(ref: GroupResource, namespace: string, name: string, previous?: KubeObject, object?: KubeObject): void {
    for (const handler of handlers.get(groupResourceName(ref)) ?? []) handler({ object, previous, namespace, name })
  }

  function put<T extends KubeObject>(ref: GroupResource, object: T): T {
    const { namespace = '', name = '' } = object.metadata
    const key = keyOf(ref, namespace, name)
    const previous = objects.get(key)?.object
    version++
    const stored = structuredClone(object)
    stored.metadata.uid ??= previous?.metadata.uid ?? `uid-${name}-${version}`
    stored.metadata.resourceVersion = String(version)
    stored.metadata.creationTimestamp ??= new Date(now()).toISOString()
    objects.set(key, { ref: groupResourceName(ref), object: stored })
    emit(ref, namespace, name, previous, stored)
    return structuredClone(stored)
  }

  function drop(ref: GroupResource, namespace: string, name: string): void {
    const key = keyOf(ref, namespace, name)
    const previous = objects.get(key)?.object
    if (previous === undefined) return
    objects.delete(key)
    emit(ref, namespace, name, previous)
  }

  const get = <T extends KubeObject>(ref: GroupResource, namespace: string, name: string): T | undefined =>
    objects.get(keyOf(ref, namespace, name))?.object as T | undefined

  function must<T extends KubeObject>(ref: GroupResource, namespace: string, name: string): T {
    const found = get<T>(ref, namespace, name)
    if (found === undefined) throw errors.notFound(ref, name)
    return structuredClone(found)
  }

  const list = <T extends KubeObject>(ref: GroupResource, namespace?: string): T[] =>
    [...objects.values()]
      .filter((one) => one.ref === groupResourceName(ref))
      .map((one) => one.object as T)
      .filter((object) => !namespace || object.metadata.namespace === namespace)

  const client: Client = {
    get: async (ref, namespace, name) => must(ref, namespace, name),
    list: async (ref, options) => ({ items: list(ref, options?.namespace), resourceVersion: String(version) }),
    async create<T extends KubeObject>(ref: GroupResource, object: T, options?: CallOptions): Promise<T> {
      if (options?.subresource === 'token') {
        const expirationTimestamp = new Date(now() + 3_600_000).toISOString()
        return { ...object, status: { token: `token-of-${object.metadata.name}`, expirationTimestamp } }
      }
      const { namespace = '', name = '' } = object.metadata
      if (get(ref, namespace, name)) throw errors.alreadyExists(ref, name)
      return put(ref, object)
    },
    update: async (ref, object) => put(ref, object),
    async mutate<T extends KubeObject>(
      ref: GroupResource,
      namespace: string,
      name: string,
      change: (current: T) => T | undefined,
    ): Promise<T> {
      const current = must<T>(ref, namespace, name)
      const changed = change(structuredClone(current))
      return changed === undefined ? current : put(ref, changed)
    },
    patch: async (ref, namespace, name) => must(ref, namespace, name),
    async delete(ref: GroupResource, namespace: string, name: string, options?: DeleteOptions): Promise<void> {
      const current = must<Pod>(ref, namespace, name)
      const grace = options?.gracePeriodSeconds ?? current.spec?.terminationGracePeriodSeconds ?? 30
      if (ref.resource !== 'pods' || grace === 0) return drop(ref, namespace, name)
      const deletionTimestamp = new Date(now() + grace * 1000).toISOString()
      put(ref, { ...current, metadata: { ...current.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace } })
    },
  }

  const informers: Informers = {
    for: <T extends KubeObject>(ref: GroupResource): Informer<T> => ({
      get: (namespace, name) => get<T>(ref, namespace, name),
      list: (namespace) => list<T>(ref, namespace),
      onChange(handler) {
        const set = handlers.get(groupResourceName(ref)) ?? new Set()
        handlers.set(groupResourceName(ref), set)
        set.add(handler as (change: Change<KubeObject>) => void)
        return () => void set.delete(handler as (change: Change<KubeObject>) => void)
      },
    }),
  }

  return {
    client,
    informers,
    recorded,
    events: {
      event: (about, type, reason, message) => void recorded.push({ name: about.name ?? '', type, reason, message }),
    },
    put,
    get,
    drop,
  }
}
