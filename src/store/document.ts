import * as Y from 'yjs'
import type { ObjectKey } from '../api/object.ts'
import type { FieldPath, FieldValue, Stamp } from './decided.ts'
import type { FieldChanges } from './diff.ts'
import { hashText, xorDigest, type Digest } from './digest.ts'
import { isOrderPath, isStatusPath, parsePath } from './field-path.ts'
import { isMoment, momentLength, stampOf, writerOfStamp, type Moment, type WriterId } from './stamp.ts'
import type { Leaf } from './unflatten.ts'

/*
 * The one flat map of a document, key → value, where `@w` is the writer in base 36:
 *   path@w        moment + JSON of the value; the moment alone once the field is removed
 *   #status@w     the register of the status leaves that w wrote last: moment + JSON {moment: {path: value or null}}, as bytes
 *   #created@w    moment + JSON [{path: value} as created, uids of earlier objects of this name known to be gone], as bytes
 *   #gen@w        how many changes of the desired state w made
 * What an object was created with stays in one entry, as every later writer has seen it: a pod takes a fifth of the
 * time that thirty entries would. A field has an entry of its own from its first change on.
 * A writer sets keys of its own only, and deletes those of others that it has seen and overwrites. So Yjs never has
 * to choose between two writers: it would erase one of them, and the loser could not be reported.
 */
const createdName = '#created'
const statusName = '#status'
const generationName = '#gen'

/** Creation of a document's object. Of two objects of one name the later created counts, unless it is one that the other replaces. */
export interface Creation {
  readonly stamp: Stamp
  /** Uids of deleted objects of the same name. */
  readonly replaces: readonly string[]
}

/** Two writers of one field, neither of whom had seen the other's value. */
export interface Rivals {
  readonly path: FieldPath
  readonly winner: Leaf
  readonly loser: Leaf
}

export interface DocumentContent {
  /** The newest value of each path. */
  readonly leaves: Map<FieldPath, Leaf>
  readonly rivals: readonly Rivals[]
  /** Changes of the desired state since creation, by all writers. */
  readonly generation: number
  /** Undefined while only updates of the object have arrived, and not its creation. */
  readonly created: Creation | undefined
  /** Newest stamp within. */
  readonly newest: Stamp
  /** Equal on two replicas exactly when both have the same operations. */
  readonly digest: Digest
}

/** One incarnation's document as it is kept: encoded, with what must be known without decoding it. Immutable. */
export interface DocumentState {
  readonly key: ObjectKey
  readonly uid: string
  readonly encoded: Uint8Array
  readonly digest: Digest
  readonly created: Creation | undefined
  readonly newest: Stamp
}

/** A given guid: making one up would cost ten times the document. */
const guid = 'o'
const mapName = 'o'

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

export function closeDocument(key: ObjectKey, uid: string, document: Y.Doc, content: DocumentContent): DocumentState {
  const encoded = Y.encodeStateAsUpdate(document)
  document.destroy()
  return { key, uid, encoded, digest: content.digest, created: content.created, newest: content.newest }
}

/** Puts what a peer sent into a document. Throws on bytes that are no Yjs update. */
export const mergeUpdate = (document: Y.Doc, update: Uint8Array): void => Y.applyUpdate(document, update)

/** What a replica has of a document, so that another can tell what it lacks. */
export const stateVectorOf = (encoded: Uint8Array): Uint8Array => Y.encodeStateVectorFromUpdate(encoded)

/** What a replica with that state vector lacks. Throws on bytes that are no state vector. */
export const missingFrom = (encoded: Uint8Array, stateVector: Uint8Array): Uint8Array =>
  Y.diffUpdate(encoded, stateVector)

/** One update that says what both say. */
export const joinUpdates = (a: Uint8Array, b: Uint8Array): Uint8Array => Y.mergeUpdates([a, b])

/** Everything that a document says. Entries that are malformed are passed over: they came from a peer. */
export function readDocument(uid: string, document: Y.Doc): DocumentContent {
  const leaves = new Map<FieldPath, Leaf>()
  const rivals: Rivals[] = []
  let generation = 0
  let created: Creation | undefined
  let newest: Stamp = ''
  let digest = stateVectorDigest(uid, document)

  const offer = (path: FieldPath, leaf: Leaf) => {
    if (leaf.stamp > newest) newest = leaf.stamp
    const standing = leaves.get(path)
    if (!standing || leaf.stamp > standing.stamp) leaves.set(path, leaf)
    if (standing && !isStatusPath(path) && !isOrderPath(path)) {
      const [winner, loser] = leaf.stamp > standing.stamp ? [leaf, standing] : [standing, leaf]
      rivals.push({ path, winner, loser })
    }
  }
  for (const [entry, raw] of document.getMap(mapName).entries()) {
    const at = entry.lastIndexOf('@')
    const writer = Number.parseInt(entry.slice(at + 1), 36)
    const name = entry.slice(0, at)
    const text = raw instanceof Uint8Array ? decodeText(raw) : raw
    if (at <= 0 || !Number.isSafeInteger(writer) || typeof text !== 'string') continue
    digest = xorDigest(digest, hashText(`${entry}=${text.slice(0, momentLength)}`))
    if (name === generationName) {
      generation += Math.max(0, Math.trunc(Number(text)) || 0)
      continue
    }
    if (!isMoment(text.slice(0, momentLength))) continue
    const stamp = stampOf(text.slice(0, momentLength), writer)
    const json = parseJson(text.slice(momentLength))
    if (json === undefined) continue
    if (name === createdName) {
      if (!Array.isArray(json)) continue
      created = { stamp, replaces: stringsOf(json[1]) }
      for (const [path, leaf] of leavesOf(json[0], stamp)) offer(path, leaf)
      if (stamp > newest) newest = stamp
    } else if (name === statusName) {
      for (const [path, leaf] of registerLeaves(json, writer)) offer(path, leaf)
    } else if (parsePath(name)) {
      offer(name, { stamp, value: json })
    }
  }
  // Whoever changes an object has seen how it was created.
  const unseen = rivals.filter(({ loser }) => loser.stamp !== created?.stamp)
  return { leaves, rivals: unseen, generation, created, newest, digest }
}

/** Deletes leave no trace in the map of who did them, but the operations that a replica still lacks do. */
function stateVectorDigest(uid: string, document: Y.Doc): Digest {
  let digest = hashText(uid)
  for (const [client, clock] of Y.decodeStateVector(Y.encodeStateVector(document))) {
    digest = xorDigest(digest, hashText(`${uid}#${client}:${clock}`))
  }
  return digest
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()
const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes)

function parseJson(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

const stringsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []

function* leavesOf(fields: unknown, stamp: Stamp): Generator<[FieldPath, Leaf]> {
  if (typeof fields !== 'object' || fields === null) return
  for (const [path, value] of Object.entries(fields))
    if (parsePath(path)) yield [path, { stamp, value: value as FieldValue }]
}

function* registerLeaves(json: unknown, writer: WriterId): Generator<[FieldPath, Leaf]> {
  if (typeof json !== 'object' || json === null) return
  for (const [moment, units] of Object.entries(json)) {
    if (!isMoment(moment) || typeof units !== 'object' || units === null) continue
    for (const [path, value] of Object.entries(units)) {
      if (isStatusPath(path) && parsePath(path))
        yield [path, { stamp: stampOf(moment, writer), value: value as FieldValue }]
    }
  }
}

/** Writes an object's creation, with its fields; only the creator does, once. */
export function writeCreation(
  document: Y.Doc,
  creation: {
    writer: WriterId
    moment: Moment
    replaces: readonly string[]
    fields: ReadonlyMap<FieldPath, FieldValue>
  },
): void {
  const { writer, moment, replaces, fields } = creation
  const text = moment + JSON.stringify([Object.fromEntries(fields), replaces])
  document.getMap(mapName).set(entryOf(createdName, writer), encoder.encode(text))
}

export interface FieldWrite {
  writer: WriterId
  /** Above every stamp in the document. */
  moment: Moment
  changes: FieldChanges
  raisesGeneration: boolean
  /** Whether a writer is an earlier life of this node, whose count this one may take over. */
  isOwn(writer: WriterId): boolean
}

/** Writes fields as `write.writer`, and deletes what others had said of them. */
export function writeFields(document: Y.Doc, write: FieldWrite): void {
  const map = document.getMap(mapName)
  const others = new Map<FieldPath, string[]>()
  for (const entry of map.keys()) {
    const at = entry.lastIndexOf('@')
    const name = entry.slice(0, at)
    if (!write.changes.has(name) || entry === entryOf(name, write.writer)) continue
    others.set(name, [...(others.get(name) ?? []), entry])
  }
  const status: [FieldPath, FieldValue | null][] = []
  for (const [path, value] of write.changes) {
    if (isStatusPath(path)) {
      status.push([path, value])
      continue
    }
    map.set(entryOf(path, write.writer), value === null ? write.moment : write.moment + JSON.stringify(value))
    for (const entry of others.get(path) ?? []) map.delete(entry)
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
  const registers = new Map<string, [FieldPath, Leaf][]>()
  const newest = new Map<FieldPath, { stamp: Stamp; entry: string }>()
  for (const [entry, raw] of map.entries()) {
    if (!entry.startsWith(`${statusName}@`) || !(raw instanceof Uint8Array)) continue
    const writer = Number.parseInt(entry.slice(statusName.length + 1), 36)
    const leaves = [...registerLeaves(parseJson(decodeText(raw).slice(momentLength)), writer)]
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
  map.set(own, encoder.encode(write.moment + JSON.stringify(units)))
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

const entryOf = (name: string, writer: WriterId): string => `${name}@${writer.toString(36)}`
