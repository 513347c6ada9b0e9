import type { ObjectKey } from '../api/object.ts'
import type { FieldPath, FieldValue, Stamp } from './decided.ts'

/**
 * Somebody's acknowledged write that does not count. Told on one node only: the one through which the loser had
 * written, so that one Event results.
 */
export interface Conflict {
  readonly key: ObjectKey
  readonly uid: string
  /** The field; undefined when a whole object lost its name to another. */
  readonly field: FieldPath | undefined
  readonly winner: Stamp
  readonly loser: Stamp
  /**
   * The losing value: of the field, or the whole object; null when the loser had removed the field, undefined when
   * the disk of the loser's node damaged it before the loss was known.
   */
  readonly value: FieldValue | null | undefined
  /** Node numbers through which the two had written. */
  readonly winnerNode: number
  readonly loserNode: number
}
