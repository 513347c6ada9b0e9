import type { GroupResource, KubeObject, ObjectKey } from '../api/object.ts'

/**
 * What a caller asks to be written about one object. The store turns `base → object` into a set of changed fields
 * (schema-aware: associative lists by their keys), so writers of different fields never undo each other.
 */
export type Write =
  | { op: 'create'; key: ObjectKey; object: KubeObject; decided: boolean }
  | {
      op: 'update'
      key: ObjectKey
      uid: string
      /** The object as the caller read it; only fields in which `object` differs from it are written. */
      base: KubeObject
      object: KubeObject
      /** Makes the write decided: it succeeds only if the object is still at this resourceVersion. */
      resourceVersion?: string
      /** Forces the decided class without a version check (bindings and other unique fields). */
      decided: boolean
    }
  | {
      op: 'delete'
      key: ObjectKey
      uid: string
      /** The object as the caller read it: Conflict when this node knows of a finalizer that it got since. */
      base?: KubeObject
      resourceVersion?: string
      decided: boolean
    }

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** As after the event; for DELETED the last state, with the resourceVersion of the deletion. */
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
  readonly resourceVersion: bigint
}

/**
 * The node's replica of the declared state (architecture §2–§4). Reads are local, synchronous and never run backwards.
 * Objects carry metadata.uid, resourceVersion (this node's) and generation, and are frozen. `apiVersion` is the
 * storage version; conversion is the registry's.
 */
export interface Store {
  get(key: ObjectKey): KubeObject | undefined
  /** In order of namespace/name. `resourceVersion` is the newest of this node, at which the list is a consistent cut. */
  list(ref: GroupResource, namespace?: string): { items: KubeObject[]; resourceVersion: string }
  /** Number of objects of a resource, without making a list. */
  count(ref: GroupResource): number
  /** Newest resourceVersion given out on this node. */
  currentVersion(): bigint
  /**
   * Calls `listener` synchronously for each event after `since` (default: now), first the remembered ones, without
   * gap or double. Throws StatusError Expired (410) when `since` is of another node, or older than the history.
   */
  watch(ref: GroupResource, since: string | undefined, listener: (event: StoreEvent) => void): { close(): void }
  /**
   * Durable on this disk before it resolves; declared writes also wait ≤ 100 ms for one peer. Throws StatusError:
   * AlreadyExists, NotFound, Conflict, RequestEntityTooLarge (1.5 MB), ServiceUnavailable (no leader, surely not
   * written), Timeout (outcome unknown).
   */
  write(write: Write, options?: { signal?: AbortSignal }): Promise<KubeObject>
}

/** How a kind's fields merge, from the schema graph; the store knows nothing else about kinds. */
export interface FieldLayout {
  /**
   * The keys that identify an element of the list at `path` (associative list), none for a set (of scalars, each its
   * own key), or undefined for a list that is one value. `path` is the schema path: field names without element selectors, e.g. ['spec','containers','ports'].
   */
  listKeys(ref: GroupResource, path: readonly string[]): readonly string[] | undefined
  /** Whether objects of the kind carry metadata.generation. Default: yes. */
  hasGeneration?(ref: GroupResource): boolean
}
