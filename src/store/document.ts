import * as Y from 'yjs'
import type { ObjectKey } from '../api/object.ts'
import type { FieldPath, FieldValue, Stamp } from './decided.ts'
import type { FieldChanges } from './diff.ts'
import type { Digest } from './digest.ts'
import {
  createdName,
  encodeText,
  encodeCreation,
  entryOf,
  generationName,
  mapName,
  registerLeaves,
  statusName,
  type Creation,
  type DocumentContent,
  type Predecessor,
  type Rivals,
} from './document-content.ts'
import { isStatusPath } from './field-path.ts'
import { momentLength, stampOf, writerOfStamp, type Moment, type WriterId } from './stamp.ts'
import type { Leaf } from './unflatten.ts'

/** One incarnation's document as it is kept: encoded, with what must be known without decoding it. Immutable. */
export interface DocumentState {
  readonly key: ObjectKey
  readonly uid: string
  readonly encoded: Uint8Array
  readonly digest: Digest
  readonly created: Creation | undefined
  readonly newest: Stamp
  /** Digest of everything but status; undefined when it was not worked out in this life of the process. */
  readonly desiredDigest: Digest | undefined
  /** What a write of this node changed; undefined where that is not known. */
  readonly since?: StateDifference
}

/** Parts of an object (see sectionOf) outside of which it is the same as in an earlier state. */
export interface StateDifference {
  /** Digest of the earlier state. */
  readonly digest: Digest
  readonly sections: ReadonlySet<string>
}

/** A given guid: making one up would cost ten times the document. */
const guid = 'o'

/**
 * Makes changes as `writer`, which is the Yjs client as well: one of its own for each document opened would make the
 * state vector grow with every write. Returns the changes as an update for replicas that have everything before them.
 */
export function changeDocument(document: Y.Doc, writer: WriterId, change: () => void): Uint8Array | undefined {
  document.clientID = writer
  let update: Uint8Array | undefined
  const keep = (bytes: Uint8Array) => {
    update = bytes
  }
  document.on('update', keep)
  document.transact(change)
  document.off('update', keep)
  return update
}

/** Hydrates a document. Throws on bytes that are no Yjs update. */
export function openDocument(encoded?: Uint8Array): Y.Doc {
  const document = new Y.Doc({ guid })
  document.getMap(mapName)
  if (encoded) Y.applyUpdate(document, encoded)
  return document
}

/** `encoded`: the whole document, when it is at hand already. */
export function closeDocument(
  key: ObjectKey,
  uid: string,
  document: Y.Doc,
  content: DocumentContent,
  encoded: Uint8Array = Y.encodeStateAsUpdate(document),
): DocumentState {
  const { digest, created, newest, desiredDigest } = content
  return { key, uid, encoded, digest, created, newest, desiredDigest }
}

/**
 * Puts what a peer sent into a document. Returns false when all of it was there before, operations that wait for others
 * included. Throws on bytes that are no Yjs update.
 */
export function mergeUpdate(document: Y.Doc, update: Uint8Array): boolean {
  const { pendingStructs, pendingDs } = document.store
  let isChanged = false
  const note = ({ deleteSet, beforeState, afterState }: Y.Transaction) => {
    isChanged ||= deleteSet.clients.size > 0
    for (const [client, clock] of afterState) isChanged ||= beforeState.get(client) !== clock
  }
  document.on('afterTransaction', note)
  Y.applyUpdate(document, update)
  document.off('afterTransaction', note)
  return isChanged || document.store.pendingStructs !== pendingStructs || document.store.pendingDs !== pendingDs
}

/** What a replica has of a document, so that another can tell what it lacks. */
export const stateVectorOf = (encoded: Uint8Array): Uint8Array => Y.encodeStateVectorFromUpdate(encoded)

/** What a replica with that state vector lacks. Throws on bytes that are no state vector. */
export const missingFrom = (encoded: Uint8Array, stateVector: Uint8Array): Uint8Array =>
  Y.diffUpdate(encoded, stateVector)

/** Writes an object's creation, with its fields; only the creator does, once. */
export function writeCreation(
  document: Y.Doc,
  creation: {
    writer: WriterId
    moment: Moment
    predecessors: readonly Predecessor[]
    fields: ReadonlyMap<FieldPath, FieldValue>
  },
): void {
  const { writer, moment, predecessors, fields } = creation
  document.getMap(mapName).set(entryOf(createdName, writer), encodeCreation(moment, predecessors, fields))
}

export interface FieldWrite {
  writer: WriterId
  /** Above every stamp in the document. */
  moment: Moment
  changes: FieldChanges
  raisesGeneration: boolean
  /** Whether the caller knew what stands at a path now. */
  isSeen(path: FieldPath): boolean
  /** Whether a writer is an earlier life of this node, whose count this one may take over. */
  isOwn(writer: WriterId): boolean
}

/** Writes fields as `write.writer`, and deletes the values of others that these replace. */
export function writeFields(document: Y.Doc, write: FieldWrite): void {
  const map = document.getMap(mapName)
  // Only what was shown is overwritten: a value that had lost already is its own writer's to report and withdraw.
  const shown = new Map<FieldPath, { entry: string; stamp: Stamp }>()
  map.forEach((text, entry) => {
    const at = entry.lastIndexOf('@')
    const name = entry.slice(0, at)
    if (!write.changes.has(name) || typeof text !== 'string') return
    const stamp = stampOf(text.slice(0, momentLength), Number.parseInt(entry.slice(at + 1), 36))
    if (stamp > (shown.get(name)?.stamp ?? '')) shown.set(name, { entry, stamp })
  })
  const status: [FieldPath, FieldValue | null][] = []
  for (const [path, value] of write.changes) {
    if (isStatusPath(path)) {
      status.push([path, value])
      continue
    }
    const own = entryOf(path, write.writer)
    map.set(own, value === null ? write.moment : write.moment + JSON.stringify(value))
    const overwritten = shown.get(path)
    if (overwritten && overwritten.entry !== own && write.isSeen(path)) map.delete(overwritten.entry)
  }
  if (status.length > 0) writeRegister(map, write, status)
  if (write.raisesGeneration) raiseGeneration(map, write)
}

/** Removed status leaves that one register remembers, newest first; older ones no write in flight can still contradict. */
const removedStatusLimit = 64

function writeRegister(
  map: Y.Map<unknown>,
  write: FieldWrite,
  status: readonly [FieldPath, FieldValue | null][],
): void {
  const own = entryOf(statusName, write.writer)
  const registers = new Map<string, readonly [FieldPath, Leaf][]>()
  const newest = new Map<FieldPath, { stamp: Stamp; entry: string }>()
  for (const [entry, raw] of map.entries()) {
    if (!entry.startsWith(`${statusName}@`) || !(raw instanceof Uint8Array)) continue
    const writer = Number.parseInt(entry.slice(statusName.length + 1), 36)
    const leaves = registerLeaves(raw, writer)
    registers.set(entry, leaves)
    for (const [path, { stamp }] of leaves) {
      if (write.changes.has(path) || (newest.get(path)?.stamp ?? '') > stamp) continue
      newest.set(path, { stamp, entry })
    }
  }
  const units: Record<Moment, Record<FieldPath, FieldValue | null>> = { [write.moment]: Object.fromEntries(status) }
  let removed = 0
  for (const [path, leaf] of (registers.get(own) ?? []).toSorted(([, a], [, b]) => (a.stamp > b.stamp ? -1 : 1))) {
    if (newest.get(path)?.entry !== own) continue
    if (leaf.value === null && (removed += 1) > removedStatusLimit) continue
    ;(units[leaf.stamp.slice(0, momentLength)] ??= {})[path] = leaf.value
  }
  map.set(own, encodeText(write.moment + JSON.stringify(units)))
  for (const [entry, leaves] of registers) {
    if (entry !== own && leaves.every(([path]) => newest.get(path)?.entry !== entry)) map.delete(entry)
  }
}

/** Counts one more; takes over the counts of this node's earlier lives, which nobody else will touch. */
function raiseGeneration(map: Y.Map<unknown>, write: FieldWrite): void {
  let count = 1
  const own = entryOf(generationName, write.writer)
  for (const [entry, raw] of map.entries()) {
    if (!entry.startsWith(`${generationName}@`)) continue
    const writer = Number.parseInt(entry.slice(generationName.length + 1), 36)
    if (entry !== own && !write.isOwn(writer)) continue
    count += Math.max(0, Math.trunc(Number(raw)) || 0)
    if (entry !== own) map.delete(entry)
  }
  map.set(own, String(count))
}

/** Takes back values of this node's that lost against another's. */
export function dropLosers(document: Y.Doc, rivals: readonly Rivals[]): void {
  const map = document.getMap(mapName)
  for (const { path, loser } of rivals) map.delete(entryOf(path, writerOfStamp(loser.stamp)))
}
