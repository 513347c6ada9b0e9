import type { GroupResource } from '../api/object.ts'

/** A stored resource, as garbage collection, namespace deletion and quota need to know it. */
export interface CollectedResource {
  ref: GroupResource
  kind: string
  namespaced: boolean
}

/** All that can be stored; CRDs come and go. */
export interface Resources {
  all(): readonly CollectedResource[]
  /** Calls back when `all` differs. Returns the way to stop. */
  onChange(handler: () => void): () => void
}
