import type { ObjectReference } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import type { Change } from '../client/informer.ts'

/** What a reconcile may see: this node's replica, which may be stale and may have skipped states. */
export interface View {
  get<T extends KubeObject>(ref: GroupResource, namespace: string, name: string): T | undefined
  list<T extends KubeObject>(ref: GroupResource, namespace?: string): T[]
  /** Those that `index` files under `value`: the cost is that of the answer, not of all there are. */
  indexed<T extends KubeObject>(ref: GroupResource, index: Index, value: string): T[]
  /** How many those are, at no cost. */
  countIndexed(ref: GroupResource, index: Index, value: string): number
}

/** Says under which values an object is filed (client-go's Indexer). `name` is unique; `valuesOf` is pure. */
export interface Index {
  readonly name: string
  valuesOf(object: KubeObject): readonly string[]
}

export type Creation = Extract<Action, { do: 'create' }>

/** One thing to do. Data, but for `change`, which is pure; the executor makes no choices. */
export type Action =
  | {
      do: 'create'
      ref: GroupResource
      object: KubeObject
      /** What to say about the outcome: the name is known only now. */
      created?(object: KubeObject): Action | Action[]
      failed?(message: string): Action | Action[]
    }
  | {
      do: 'delete'
      ref: GroupResource
      namespace: string
      name: string
      uid: string
      gracePeriodSeconds?: number
      /** The uid is the API's precondition too, which makes the deletion a decision. */
      isConditional?: boolean
      propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
    }
  | {
      do: 'mutate'
      ref: GroupResource
      namespace: string
      name: string
      uid: string
      subresource?: string
      change(current: KubeObject): KubeObject | undefined
      /** What may be done only once this is written. */
      next?: Action
    }
  | {
      /**
       * Creations of one template, in batches of 1, 2, 4, … of which each begins once all of the one before went well
       * (client-go's slowStartBatch): what a quota refuses it refuses a few times, not hundreds.
       */
      do: 'createSlowly'
      creations: readonly Creation[]
    }
  | { do: 'event'; about: ObjectReference; type: 'Normal' | 'Warning'; reason: string; message: string }
  | {
      /** What needs a computation that cannot be pure (a signature); it answers with what to do then. */
      do: 'compute'
      compute(signal: AbortSignal): Promise<Action[]>
    }

export interface Plan {
  actions: Action[]
  /** Look again after this long although nothing changed (deadlines, minReadySeconds). */
  requeueAfterMs?: number
}

export const nothing: Plan = { actions: [] }

export interface Watch {
  ref: GroupResource
  /** Which keys (`namespace/name` of the controller's own kind) to look at when something of `ref` changed. */
  keysOf(change: Change<KubeObject>, view: View): string[]
}

/**
 * A control loop: level-triggered, reconciling one object by its name. `plan` is pure: the same view and time give the
 * same plan. Stale views are harmless because the next change brings the key back.
 */
export interface Controller {
  name: string
  watches: readonly Watch[]
  /** Watches on resources that come and go at run time (CRDs); `onChange` calls back when `current` differs. */
  changingWatches?: { current(): readonly Watch[]; onChange(handler: () => void): () => void }
  /** Causes to look again that are no object's change (a node's liveness). Returns the way to stop. */
  triggers?(enqueue: (key: string) => void): () => void
  /** Every key there is, for the start of a term and the periodic resync. */
  keys(view: View): string[]
  plan(key: string, view: View, nowMs: number): Plan
}

export const keyOf = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`

export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

export const referenceTo = (object: KubeObject): ObjectReference => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  name: object.metadata.name,
  namespace: object.metadata.namespace,
  uid: object.metadata.uid,
  resourceVersion: object.metadata.resourceVersion,
})
