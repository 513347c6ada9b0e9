import { keyString, type KubeObject, type ObjectKey } from '../api/object.ts'
import { errors, StatusError } from '../api/status-error.ts'
import type { FieldPath } from './decided.ts'
import { changesBetween, effectiveChanges, raisesGeneration } from './diff.ts'
import { sameDigest } from './digest.ts'
import { sameJson } from '../lib/same-json.ts'
import {
  changeDocument,
  closeDocument,
  dropLosers,
  mergeUpdate,
  openDocument,
  writeCreation,
  writeFields,
  type DocumentState,
  type StateDifference,
} from './document.ts'
import { readDocument } from './document-content.ts'
import { sectionOf } from './field-path.ts'
import { flatten, flattenDifferences } from './flatten.ts'
import { requireNoNewFinalizer } from './new-finalizer.ts'
import type { HotDocuments } from './hot-documents.ts'
import type { Incarnation, Incarnations } from './incarnations.ts'
import type { Tombstone } from './record.ts'
import type { Change } from './replica.ts'
import type { Staging } from './staging.ts'
import { nodeOfWriter, stampOf, writerOfStamp, type StampClock, type WriterId } from './stamp.ts'
import type { FieldLayout } from './store.ts'
import { predecessorOf, type Tombstones } from './tombstones.ts'
import { unflatten, type Leaf } from './unflatten.ts'
import { leavesFor, mergedLeaves, ObjectView } from './view.ts'

/** Largest document, encoded (etcd's limit on a request). */
export const documentLimitBytes = 1_572_864

/** What staging a write reads, and whose stamps it uses. */
export interface StageContext {
  readonly layout: FieldLayout
  readonly stamps: StampClock
  readonly writer: WriterId
  readonly nodeNumber: number
  readonly incarnations: Incarnations
  readonly tombstones: Tombstones
  readonly hot: HotDocuments
  /** Whether an object last written at `newestMs` has outlived its kind's time (Events). */
  isExpired(key: ObjectKey, newestMs: string): boolean
}

const isDeleted = (context: StageContext, staging: Staging, uid: string): boolean =>
  staging.tombstones.has(uid) || context.tombstones.has(uid)

/** The document as this commit will leave it. */
function documentOf(context: StageContext, staging: Staging, uid: string): DocumentState | undefined {
  if (staging.dropped.has(uid)) return undefined
  return staging.documents.get(uid) ?? context.incarnations.get(uid)?.document
}

/** The uid that counts under a name, this commit included. */
function standingUid(context: StageContext, staging: Staging, key: ObjectKey): string | undefined {
  const created = staging.createdUid(key)
  if (created) return created
  const uid = context.incarnations.catalog.get(key)?.uid
  return uid === undefined || isDeleted(context, staging, uid) || staging.dropped.has(uid) ? undefined : uid
}

function tooLarge(): StatusError {
  return new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${documentLimitBytes}`)
}

/** Creates an object, and returns how it is read back. Throws AlreadyExists, RequestEntityTooLarge. */
export function stageCreate(
  context: StageContext,
  staging: Staging,
  key: ObjectKey,
  uid: string,
  object: KubeObject,
): () => KubeObject {
  if (standingUid(context, staging, key) !== undefined) throw errors.alreadyExists(key, key.name)
  if (isDeleted(context, staging, uid) || documentOf(context, staging, uid)) {
    throw errors.conflict(key, key.name, `the uid ${uid} was used before`)
  }
  const document = openDocument()
  const moment = context.stamps.issue()
  const predecessors = context.tombstones.predecessors(key)
  for (const tombstone of staging.tombstones.values()) {
    if (keyString(tombstone.key) === keyString(key)) predecessors.push(...predecessorOf(tombstone))
  }
  const fields = flatten(key, object, context.layout)
  const update = changeDocument(document, context.writer, () => {
    writeCreation(document, { writer: context.writer, moment, predecessors, fields })
  })
  const content = readDocument(uid, document)
  // The first update of an empty document is all of it.
  const state = closeDocument(key, uid, document, content, update)
  if (state.encoded.length > documentLimitBytes) throw tooLarge()
  context.hot.put(state, document, content)
  staging.putDocument(state)
  staging.created.set(keyString(key), uid)
  if (update) staging.outgoing.push({ type: 'document', key, uid, update })
  return () => {
    const standing = context.incarnations.catalog.get(key)
    if (standing?.uid === uid) return standing.object
    // It lost its name within its own commit: it is answered as it was, and its loss is reported.
    const hasGeneration = context.layout.hasGeneration?.(key) ?? true
    const version = standing?.version ?? 0n
    return new ObjectView({
      key,
      uid,
      document: state,
      decided: undefined,
      version,
      hasGeneration,
      contents: context.hot,
    }).object
  }
}

/** Writes the fields in which `object` differs from `base`. Throws NotFound, RequestEntityTooLarge. */
export function stageUpdate(
  context: StageContext,
  staging: Staging,
  write: { key: ObjectKey; uid: string; base: KubeObject; object: KubeObject },
): void {
  const { key, uid } = write
  if (standingUid(context, staging, key) !== uid) throw errors.notFound(key, key.name)
  const [base, wanted] = flattenDifferences(key, write.base, write.object, context.layout)
  const asked = changesBetween(base, wanted)
  if (asked.size === 0) return
  const present = documentOf(context, staging, uid)
  const { document, content: before } = context.hot.take(uid, present)
  const leaves = leavesFor([...asked.keys()], before, context.incarnations.get(uid)?.decided)
  const changes = effectiveChanges(asked, leaves)
  if (changes.size === 0) {
    if (present) context.hot.put(present, document, before)
    return
  }
  const moment = context.stamps.issue()
  const update = changeDocument(document, context.writer, () =>
    writeFields(document, {
      writer: context.writer,
      moment,
      changes,
      raisesGeneration: raisesGeneration(key, changes),
      // What came from elsewhere since the caller read, nobody has seen: its writer is to report that it lost.
      isSeen: (path) => {
        const leaf = leaves.get(path)
        const isOwn = leaf !== undefined && nodeOfWriter(writerOfStamp(leaf.stamp)) === context.nodeNumber
        return isOwn || sameJson(base.get(path) ?? null, leaf?.value ?? null)
      },
      isOwn: (writer) => nodeOfWriter(writer) === context.nodeNumber,
    }),
  )
  const content = readDocument(uid, document)
  const since = present && differenceFrom(present, staging.documents.has(uid), changes.keys())
  const state = { ...closeDocument(key, uid, document, content), ...(since ? { since } : {}) }
  if (state.encoded.length > documentLimitBytes && state.encoded.length > (present?.encoded.length ?? 0))
    throw tooLarge()
  context.hot.put(state, document, content)
  staging.putDocument(state)
  if (update) staging.outgoing.push({ type: 'document', key, uid, update })
}

/** What a write changes of a state, or, when that is staged itself and nobody has seen it, of the one before it. */
function differenceFrom(
  present: DocumentState,
  isStaged: boolean,
  paths: Iterable<FieldPath>,
): StateDifference | undefined {
  const earlier: StateDifference | undefined = isStaged
    ? present.since
    : { digest: present.digest, sections: new Set() }
  if (!earlier) return undefined
  const sections = new Set(earlier.sections)
  for (const path of paths) {
    const section = sectionOf(path)
    if (section === undefined) return undefined
    sections.add(section)
  }
  return { digest: earlier.digest, sections }
}

/**
 * Deletes an incarnation for good. Returns how it was last. Throws NotFound, and Conflict when somebody holds it by a
 * finalizer that it had not in `base`.
 */
export function stageDelete(
  context: StageContext,
  staging: Staging,
  key: ObjectKey,
  uid: string,
  base?: KubeObject,
): KubeObject {
  if (standingUid(context, staging, key) !== uid) throw errors.notFound(key, key.name)
  const last = lastView(context, staging, key, uid)
  requireNoNewFinalizer(key, last.object, base)
  stageTombstone(context, staging, {
    key,
    uid,
    stamp: stampOf(context.stamps.issue(), context.writer),
    replacedBy: '',
    created: '',
  })
  return last.object
}

function lastView(context: StageContext, staging: Staging, key: ObjectKey, uid: string): ObjectView {
  const staged = staging.documents.get(uid)
  const standing = context.incarnations.catalog.get(key)
  if (standing?.uid === uid && !staged) return standing
  const hasGeneration = context.layout.hasGeneration?.(key) ?? true
  const version = standing?.version ?? 0n
  const decided = context.incarnations.get(uid)?.decided
  return new ObjectView({ key, uid, document: staged, decided, version, hasGeneration, contents: context.hot })
}

/** Puts up a tombstone that this node makes, for others to learn. */
export function stageTombstone(context: StageContext, staging: Staging, tombstone: Tombstone): void {
  if (isDeleted(context, staging, tombstone.uid)) return
  reportReplaced(context, staging, tombstone)
  staging.putTombstone(tombstone)
  staging.outgoing.push({ type: 'tombstone', tombstone })
}

/**
 * Takes a change from a peer. True when it said something new. Throws on what no honest replica sends, with nothing
 * staged.
 */
export function stageRemote(context: StageContext, staging: Staging, change: Change): boolean {
  if (change.type === 'tombstone') {
    const { tombstone } = change
    if (!context.stamps.plausible(tombstone.stamp)) throw new Error('the deletion is dated in the future')
    if (isDeleted(context, staging, tombstone.uid)) return false
    context.stamps.merge(tombstone.stamp)
    reportReplaced(context, staging, tombstone)
    staging.putTombstone(tombstone)
    return true
  }
  const { key, uid, update } = change
  if (isDeleted(context, staging, uid)) return false
  const present = documentOf(context, staging, uid)
  const known = context.incarnations.get(uid)?.key ?? present?.key
  if (known && keyString(known) !== keyString(key)) throw new Error('the uid belongs to another object')
  const { document, content: before } = context.hot.take(uid, present)
  if (!mergeUpdate(document, update) && present) {
    context.hot.put(present, document, before)
    return false
  }
  let content = readDocument(uid, document)
  if (content.newest !== '' && !context.stamps.plausible(content.newest))
    throw new Error('the write is dated in the future')
  if (context.isExpired(key, content.newest)) return false
  if (content.newest !== '') context.stamps.merge(content.newest)
  const lost = content.rivals.filter(({ loser }) => nodeOfWriter(writerOfStamp(loser.stamp)) === context.nodeNumber)
  if (lost.length > 0) {
    const withdrawal = changeDocument(document, context.writer, () => dropLosers(document, lost))
    content = readDocument(uid, document)
    if (withdrawal) staging.outgoing.push({ type: 'document', key, uid, update: withdrawal })
    for (const { path, winner, loser } of lost) reportField(staging, key, uid, path, winner, loser)
  }
  const state = closeDocument(key, uid, document, content)
  if (state.encoded.length > 2 * documentLimitBytes)
    throw new Error('the document is larger than any write can make it')
  // Bytes may grow with operations that wait for earlier ones: those count too, though nothing shows yet.
  if (present && sameDigest(present.digest, state.digest) && present.encoded.length === state.encoded.length)
    return false
  context.hot.put(state, document, content)
  staging.putDocument(state)
  // A create that shares this commit must find the name taken.
  if (state.created && standingUid(context, staging, key) === undefined) staging.created.set(keyString(key), uid)
  return true
}

function reportField(staging: Staging, key: ObjectKey, uid: string, path: FieldPath, winner: Leaf, loser: Leaf): void {
  if (winner.value === loser.value || JSON.stringify(winner.value) === JSON.stringify(loser.value)) return
  staging.conflicts.push({
    key,
    uid,
    field: path,
    winner: winner.stamp,
    loser: loser.stamp,
    value: loser.value,
    winnerNode: nodeOfWriter(writerOfStamp(winner.stamp)),
    loserNode: nodeOfWriter(writerOfStamp(loser.stamp)),
  })
}

/**
 * An object that lost its name is reported by the node through which it was created, whoever noticed first; without
 * its value, when this node's disk damaged the document meanwhile.
 */
function reportReplaced(context: StageContext, staging: Staging, tombstone: Tombstone): void {
  if (tombstone.replacedBy === '') return
  const loser = documentOf(context, staging, tombstone.uid)
  const loserStamp = loser?.created?.stamp ?? tombstone.created
  if (loserStamp === '' || nodeOfWriter(writerOfStamp(loserStamp)) !== context.nodeNumber) return
  const winner = documentOf(context, staging, tombstone.replacedBy)?.created
  const winnerStamp = winner?.stamp ?? tombstone.stamp
  // Whoever made the winner knew that the other had been deleted.
  if (winner?.predecessors.some(({ uid, isOutvoted }) => uid === tombstone.uid && !isOutvoted)) return
  staging.conflicts.push({
    key: tombstone.key,
    uid: tombstone.uid,
    field: undefined,
    winner: winnerStamp,
    loser: loserStamp,
    value: loser && loserObject(context, loser),
    winnerNode: nodeOfWriter(writerOfStamp(winnerStamp)),
    loserNode: context.nodeNumber,
  })
}

function loserObject(context: StageContext, document: DocumentState): Record<string, unknown> {
  const decided = context.incarnations.get(document.uid)?.decided
  return unflatten(mergedLeaves(context.hot.contentOf(document), decided))
}

/** Tells the losing incarnation of a name from the winner's. */
export function replacementOf(winner: Incarnation, loser: Incarnation, stamp: string): Tombstone {
  return {
    key: loser.key,
    uid: loser.uid,
    stamp,
    replacedBy: winner.uid,
    created: loser.document?.created?.stamp ?? '',
  }
}
