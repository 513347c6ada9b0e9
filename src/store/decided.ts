import type { ObjectKey } from '../api/object.ts'

/** A field's value as JSON text would hold it; `undefined` is never stored. */
export type FieldValue = unknown

/** Path in the flat form that documents use, e.g. `spec.template.spec.containers[name="web"].image`. */
export type FieldPath = string

/** Hybrid logical clock and writer, fixed width, compared as text. */
export type Stamp = string

/**
 * What the node that was asked sends to the leader: a write to one object, with what the asker's replica knew of it,
 * so that the leader can judge the precondition on the same facts.
 */
export interface ObjectProposal {
  op: 'create' | 'update' | 'delete'
  key: ObjectKey
  uid: string
  /** Changed fields; null removes. For create: all fields. Empty for delete. */
  fields: Record<FieldPath, FieldValue | null>
  /** Values that the asker saw in the changed fields (null: none): refused when the leader sees others. Absent: any. */
  was?: Record<FieldPath, FieldValue | null>
  /** Present: the write holds only if the object is still in exactly this state. */
  expected?: ObjectVersion
  /** The asker's encoded document of the object, merged by the leader before it judges. Absent for create. */
  document?: Uint8Array
}

/** State of an object, the same on every node that has the same writes: digest of its document, and its decided index. */
export interface ObjectVersion {
  documentDigest: string
  /** Log index of the newest decided write of this uid; 0 without one. */
  decidedIndex: number
}

/** An ObjectProposal that the leader has judged and stamped: what the log holds. Applied the same way everywhere. */
export interface ObjectEntry {
  op: 'create' | 'update' | 'delete'
  key: ObjectKey
  uid: string
  fields: Record<FieldPath, FieldValue | null>
  /** Exceeds every stamp that the leader had merged or issued. */
  stamp: Stamp
  /** Decided index that the object must have when the entry is applied, else the entry is void (Conflict). Absent: any. */
  expectedIndex?: number
}

/** The decided values of one object, beside its document. `index` is that of its newest entry. */
export interface DecidedObject {
  key: ObjectKey
  uid: string
  index: number
  /** The object was created by decision: it wins against another object of the same name. */
  created: boolean
  deleted: boolean
  /** value null: the field was removed. */
  fields: Map<FieldPath, { stamp: Stamp; value: FieldValue | null }>
}

/** What the decision log asks of the store, on the leader (judge) and everywhere (apply). */
export interface DecidedSink {
  /**
   * On the leader: merges `proposal.document`, then throws StatusError (Conflict, NotFound, AlreadyExists) or
   * returns the entry to propose, freshly stamped.
   */
  judge(proposal: ObjectProposal): ObjectEntry
  /** After commit and on boot (whole state): replaces the decided values of these objects, emits watch events. */
  applyDecided(objects: Iterable<DecidedObject>): void
  /** Uids that are gone everywhere as far as this node knows, among the given ones: candidates for `forget`. */
  isGone(uid: string): boolean
  /** After a `forget` is committed: the decided values of these uids are no longer kept, here neither. */
  forgotten?(uids: Iterable<string>): void
}

/** What the store asks of the decision log. */
export interface DecidedSource {
  /**
   * Resolves once the entry is committed AND applied on this node. Throws StatusError: Conflict, AlreadyExists,
   * NotFound, ServiceUnavailable (503, surely not proposed), Timeout (504, unknown).
   */
  propose(proposal: ObjectProposal, options: { signal?: AbortSignal }): Promise<{ index: number }>
}
