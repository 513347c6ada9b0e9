import { keyString } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { FieldPath, FieldValue, ObjectEntry, ObjectProposal, ObjectVersion } from './decided.ts'
import { raisesGeneration } from './diff.ts'
import { sameJson } from '../lib/same-json.ts'
import { digestText } from './digest.ts'
import type { DocumentContent } from './document-content.ts'
import { outranks, type Incarnation } from './incarnations.ts'
import { decidedGeneration, decidedGenerationPath, mergedLeaves } from './view.ts'

/** What {@link conflictText} is said about: upstream's registry.OptimisticLockErrorMsg. */
export const modifiedText =
  'the object has been modified; please apply your changes to the latest version and try again'

/** State of an object that is the same wherever the same writes have arrived. */
export function versionOf(content: DocumentContent | undefined, incarnation: Incarnation | undefined): ObjectVersion {
  return {
    documentDigest: content ? digestText(content.digest) : '',
    decidedIndex: incarnation?.decided?.index ?? 0,
  }
}

/** The leader's own knowledge of the object that a proposal is about, the asker's document merged into it. */
export interface Facts {
  /** The incarnation that counts under the proposal's name. */
  standing: Incarnation | undefined
  /** The proposal's own incarnation. */
  incarnation: Incarnation | undefined
  /** Its document with everything that the asker had. */
  content: DocumentContent | undefined
  deleted: boolean
}

/** The incarnation that will count under its name once the arriving one, if any, is merged. */
export function standingAfter(
  standing: Incarnation | undefined,
  arriving: Incarnation | undefined,
): Incarnation | undefined {
  if (!standing || !arriving) return standing ?? arriving
  return outranks(arriving, standing) ? arriving : standing
}

/**
 * Judges a proposal. Pure. Throws AlreadyExists, NotFound or Conflict. The entry's `expectedIndex` carries the
 * judgement to where the entry is applied: whatever was decided in between makes it void.
 */
export function judgeProposal(proposal: ObjectProposal, facts: Facts, stamp: string): ObjectEntry {
  const { op, key, uid, fields } = proposal
  if (op === 'create') {
    if (facts.standing) throw errors.alreadyExists(key, key.name)
    if (facts.deleted) throw errors.conflict(key, key.name, `the uid ${uid} was used before`)
    return { op, key, uid, fields, stamp }
  }
  if (facts.deleted || !facts.incarnation || facts.standing?.uid !== uid) throw errors.notFound(key, key.name)
  if (keyString(facts.incarnation.key) !== keyString(key)) throw errors.badRequest(`uid ${uid} is not of ${key.name}`)
  const version = versionOf(facts.content, facts.incarnation)
  const { expected } = proposal
  if (
    expected &&
    (expected.documentDigest !== version.documentDigest || expected.decidedIndex !== version.decidedIndex)
  ) {
    throw errors.conflict(key, key.name, modifiedText)
  }
  const { decided } = facts.incarnation
  const leaves = mergedLeaves(facts.content, decided)
  for (const [path, value] of Object.entries(proposal.was ?? {})) {
    if (!sameJson(leaves.get(path)?.value ?? null, value)) throw errors.conflict(key, key.name, modifiedText)
  }
  const stamped: Record<FieldPath, FieldValue | null> = { ...fields }
  if (op === 'update' && raisesGeneration(key, new Map(Object.entries(fields)))) {
    stamped[decidedGenerationPath] = decidedGeneration(decided) + 1
  }
  return { op, key, uid, fields: stamped, stamp, expectedIndex: version.decidedIndex }
}
