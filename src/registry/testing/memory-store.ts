import { isDeepStrictEqual } from 'node:util'
import { keyString, type GroupResource, type KubeObject, type ObjectKey } from '../../api/object.ts'
import { errors } from '../../api/status-error.ts'
import { requireNoNewFinalizer } from '../../store/new-finalizer.ts'
import type { Store, StoreEvent, Write } from '../../store/store.ts'
import { deepFreeze } from '../../lib/deep-freeze.ts'

const nodeNumber = 1n
const maxHistory = 10_000

/**
 * A Store of one node without disk, peers or a decision log: decided writes always succeed. For unit tests and the
 * conformance drivers; the real one is src/store.
 */
export function memoryStore(): Store {
  /** By resource: a list costs what it returns, as the real one's does. */
  const tables = new Map<string, Map<string, { key: ObjectKey; object: KubeObject }>>()
  const tableOf = (ref: GroupResource) => {
    const name = `${ref.group}/${ref.resource}`
    const known = tables.get(name) ?? new Map<string, { key: ObjectKey; object: KubeObject }>()
    tables.set(name, known)
    return known
  }
  const history: (StoreEvent & { key: ObjectKey })[] = []
  const listeners = new Set<{ ref: GroupResource; listener: (event: StoreEvent) => void }>()
  let sequence = 1n
  let forgotten = 0n

  const version = () => (sequence << 16n) | nodeNumber
  const matches = (ref: GroupResource, key: GroupResource) => ref.group === key.group && ref.resource === key.resource

  function emit(
    key: ObjectKey,
    type: StoreEvent['type'],
    object: KubeObject,
    previous: KubeObject | undefined,
  ): KubeObject {
    sequence++
    const resourceVersion = version()
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(resourceVersion) } })
    if (type === 'DELETED') tableOf(key).delete(keyString(key))
    else tableOf(key).set(keyString(key), { key, object: stored })
    const event = { key, type, object: stored, previous, resourceVersion }
    history.push(event)
    if (history.length > maxHistory) forgotten = history.shift()?.resourceVersion ?? forgotten
    for (const { ref, listener } of listeners) if (matches(ref, key)) listener(event)
    return stored
  }

  function writeNow(write: Write): KubeObject {
    const current = tableOf(write.key).get(keyString(write.key))?.object
    if (write.op === 'create') {
      if (current) throw errors.alreadyExists(write.key, write.key.name)
      return emit(write.key, 'ADDED', structuredClone(write.object), undefined)
    }
    if (!current || current.metadata.uid !== write.uid) throw errors.notFound(write.key, write.key.name)
    if (write.resourceVersion !== undefined && write.resourceVersion !== current.metadata.resourceVersion) {
      throw errors.conflict(write.key, write.key.name, changedMessage)
    }
    if (write.op === 'delete') {
      requireNoNewFinalizer(write.key, current, write.base)
      return emit(write.key, 'DELETED', current, current)
    }
    const next = mergeChanges(current, write.base, write.object) as KubeObject
    return emit(write.key, 'MODIFIED', next, current)
  }

  return {
    get: (key) => tableOf(key).get(keyString(key))?.object,
    list: (ref, namespace) => ({
      items: [...tableOf(ref).values()]
        .filter(({ key }) => namespace === undefined || namespace === '' || key.namespace === namespace)
        .sort((a, b) => (keyString(a.key) < keyString(b.key) ? -1 : 1))
        .map(({ object }) => object),
      resourceVersion: String(version()),
    }),
    count: (ref) => tableOf(ref).size,
    currentVersion: version,
    watch(ref, since, listener) {
      if (since !== undefined) {
        const from = BigInt(since)
        if ((from & 0xffffn) !== nodeNumber || from < forgotten)
          throw errors.expired(`too old resource version: ${since}`)
        for (const event of history) if (event.resourceVersion > from && matches(ref, event.key)) listener(event)
      }
      const entry = { ref, listener }
      listeners.add(entry)
      return { close: () => void listeners.delete(entry) }
    },
    async write(write) {
      return writeNow(write)
    },
  }
}

const changedMessage = 'the object has been modified; please apply your changes to the latest version and try again'

/** Three-way by field: what differs between `base` and `next` is set on `current`; lists are one value. */
function mergeChanges(current: unknown, base: unknown, next: unknown): unknown {
  if (!isMap(current) || !isMap(base) || !isMap(next)) return structuredClone(next)
  const merged: Record<string, unknown> = { ...current }
  for (const key of new Set([...Object.keys(base), ...Object.keys(next)])) {
    if (isDeepStrictEqual(base[key], next[key])) continue
    if (next[key] === undefined) delete merged[key]
    else merged[key] = mergeChanges(merged[key], base[key], next[key])
  }
  return merged
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
