import type { GroupResource, KubeObject } from '../api/object.ts'

/**
 * A read-only, always-current view of one resource on this node. In the agent it reads the store directly (no copy,
 * no lag); in tools it is fed by a watch. Objects are frozen.
 *
 * Not promised: that every intermediate state is seen. React to state, never to events.
 */
export interface Informer<T extends KubeObject> {
  get(namespace: string, name: string): T | undefined
  /** All, or those of one namespace. The array is the caller's. */
  list(namespace?: string): T[]
  /** Calls back on every change from now on, synchronously and in order; `object` is undefined once deleted. Returns the way to stop. */
  onChange(handler: (change: Change<T>) => void): () => void
}

export interface Change<T> {
  readonly object: T | undefined
  readonly previous: T | undefined
  readonly namespace: string
  readonly name: string
}

export interface Informers {
  for<T extends KubeObject>(ref: GroupResource): Informer<T>
}
