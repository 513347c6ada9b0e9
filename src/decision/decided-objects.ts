import { keyString } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { DecidedObject, ObjectEntry } from '../store/decided.ts'

/**
 * The decided values of every object. An object here is never changed: each entry makes a new one, so whoever holds
 * an older one (a watcher, a snapshot being written) keeps what it had.
 */
export class DecidedObjects {
  readonly #byUid = new Map<string, DecidedObject>()
  /** Uid of the one object that was created by decision under a key and not deleted. */
  readonly #createdByKey = new Map<string, string>()

  get size(): number {
    return this.#byUid.size
  }

  get(uid: string): DecidedObject | undefined {
    return this.#byUid.get(uid)
  }

  values(): Iterable<DecidedObject> {
    return this.#byUid.values()
  }

  /** Uid that a create under this key would meet. */
  createdUnder(key: ObjectEntry['key']): string | undefined {
    return this.#createdByKey.get(keyString(key))
  }

  /** Applies one entry at log position `index`. Throws Conflict, AlreadyExists, NotFound: then nothing has changed. */
  apply(entry: ObjectEntry, index: number, supersedes?: string): DecidedObject {
    const { key, uid, op } = entry
    const before = this.#byUid.get(uid)
    if (op === 'create') {
      const other = this.#createdByKey.get(keyString(key))
      if (before?.created || (other !== undefined && other !== supersedes)) throw errors.alreadyExists(key, key.name)
    }
    if (before?.deleted) throw errors.notFound(key, key.name)
    if (entry.expectedIndex !== undefined && entry.expectedIndex !== (before?.index ?? 0)) {
      const why = 'the object has been modified; please apply your changes to the latest version and try again'
      throw errors.conflict(key, key.name, why)
    }
    const after: DecidedObject = {
      key,
      uid,
      index,
      created: op === 'create' || (before?.created ?? false),
      deleted: op === 'delete',
      fields: op === 'delete' ? new Map() : mergeFields(before?.fields, entry),
    }
    this.put(after)
    return after
  }

  put(object: DecidedObject): void {
    this.#byUid.set(object.uid, object)
    const key = keyString(object.key)
    if (object.created && !object.deleted) this.#createdByKey.set(key, object.uid)
    else if (this.#createdByKey.get(key) === object.uid) this.#createdByKey.delete(key)
  }

  forget(uid: string): boolean {
    const object = this.#byUid.get(uid)
    if (!object) return false
    this.#byUid.delete(uid)
    const key = keyString(object.key)
    if (this.#createdByKey.get(key) === uid) this.#createdByKey.delete(key)
    return true
  }
}

function mergeFields(before: DecidedObject['fields'] | undefined, entry: ObjectEntry): DecidedObject['fields'] {
  const fields = new Map(before)
  for (const [path, value] of Object.entries(entry.fields)) {
    const held = fields.get(path)
    if (held === undefined || held.stamp < entry.stamp) fields.set(path, { stamp: entry.stamp, value })
  }
  return fields
}
