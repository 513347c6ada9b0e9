import { parseExact } from '../lib/exact-json.ts'
import * as Y from 'yjs'
import type { FieldPath, FieldValue, Stamp } from './decided.ts'
import { hashText, xorDigest, type Digest } from './digest.ts'
import { isOrderPath, isStatusPath, parsePath } from './field-path.ts'
import { isMoment, momentLength, stampOf, type Moment, type WriterId } from './stamp.ts'
import type { Leaf } from './unflatten.ts'

/*
 * The one flat map of a document, key → value, where `@w` is the writer in base 36:
 *   path@w        moment + JSON of the value; the moment alone once the field is removed
 *   #status@w     the register of the status leaves that w wrote last: moment + JSON {moment: {path: value or null}}, as bytes
 *   #created@w    moment and three lines, as bytes: JSON of the uids of earlier objects of this name known to be gone
 *                 (`!uid` where one lost the name and was not deleted), of {path: value} as created, and of the status
 *                 leaves among them
 *   #gen@w        how many changes of the desired state w made
 * What an object was created with stays in one entry, as every later writer has seen it: a pod takes a fifth of the
 * time that thirty entries would. A field has an entry of its own from its first change on.
 * A writer sets keys of its own only, and deletes those of others that it has seen and overwrites. So Yjs never has
 * to choose between two writers: it would erase one of them, and the loser could not be reported.
 */
export const createdName = '#created'
export const statusName = '#status'
export const generationName = '#gen'
export const mapName = 'o'

export const entryOf = (name: string, writer: WriterId): string => `${name}@${writer.toString(36)}`

/** An earlier object of the same name, gone when the creator looked. */
export interface Predecessor {
  readonly uid: string
  /** It had lost the name to another, which its own creator may not have heard of; else somebody deleted it. */
  readonly isOutvoted: boolean
}

/** Creation of a document's object. Of two objects of one name the later created counts, unless it is one that the other replaces. */
export interface Creation {
  readonly stamp: Stamp
  readonly predecessors: readonly Predecessor[]
}

/** Two writers of one field, neither of whom had seen the other's value. */
export interface Rivals {
  readonly path: FieldPath
  readonly winner: Leaf
  readonly loser: Leaf
}

type Leaves = Map<FieldPath, Leaf>

interface FieldEntry {
  readonly path: FieldPath
  readonly stamp: Stamp
  readonly json: string
}

/**
 * Everything that a document says. What every merge needs is worked out at once; values, which most merges do not look
 * at, are parsed when they are first asked for. Does not change with the document that it was read from.
 */
export class DocumentContent {
  /** Changes of the desired state since creation, by all writers. */
  readonly generation: number
  /** Undefined while only updates of the object have arrived, and not its creation. */
  readonly created: Creation | undefined
  /** Newest stamp within. */
  readonly newest: Stamp
  /** Equal on two replicas exactly when both have the same operations. */
  readonly digest: Digest
  /** Equal when two documents of one uid say the same about everything but status. */
  readonly desiredDigest: Digest
  readonly rivals: readonly Rivals[]
  readonly #creation: Uint8Array | undefined
  readonly #fields: readonly FieldEntry[]
  readonly #registers: readonly (readonly [WriterId, Uint8Array])[]
  #leaves: Leaves | undefined
  #status: Leaves | undefined

  /** Entries that are malformed are passed over: they came from a peer. */
  constructor(uid: string, document: Y.Doc) {
    let generation = 0
    let newest: Stamp = ''
    let desired = hashText(uid)
    let digest = stateVectorDigest(uid, document)
    let creation: Uint8Array | undefined
    let created: Creation | undefined
    const fields: FieldEntry[] = []
    const registers: [WriterId, Uint8Array][] = []
    document.getMap<unknown>(mapName).forEach((raw, entry) => {
      const at = entry.lastIndexOf('@')
      const writer = Number.parseInt(entry.slice(at + 1), 36)
      const head =
        raw instanceof Uint8Array ? momentOfBytes(raw) : typeof raw === 'string' && raw.slice(0, momentLength)
      if (at <= 0 || !Number.isSafeInteger(writer) || typeof head !== 'string') return
      const name = entry.slice(0, at)
      const hash = hashText(`${entry}=${head}`)
      digest = xorDigest(digest, hash)
      if (name === generationName && typeof raw === 'string') {
        desired = xorDigest(desired, hash)
        generation += Math.max(0, Math.trunc(Number(raw)) || 0)
        return
      }
      if (!isMoment(head)) return
      const stamp = stampOf(head, writer)
      if (raw instanceof Uint8Array && name === statusName) {
        registers.push([writer, raw])
      } else if (raw instanceof Uint8Array && name === createdName) {
        const predecessors = predecessorsOf(raw)
        if (!predecessors) return
        created = { stamp, predecessors }
        creation = raw
        desired = xorDigest(desired, hash)
      } else if (typeof raw === 'string' && isFieldPath(name)) {
        fields.push({ path: name, stamp, json: raw.slice(momentLength) })
        desired = xorDigest(desired, hash)
      } else return
      if (stamp > newest) newest = stamp
    })
    this.generation = generation
    this.created = created
    this.newest = newest
    this.digest = digest
    this.desiredDigest = desired
    this.#creation = creation
    this.#fields = fields
    this.#registers = registers
    // Whoever changes an object has seen how it was created: what it was created with is no rival.
    this.rivals = fields.length < 2 ? [] : rivalsOf(fields)
  }

  /** The newest value of each path. */
  get leaves(): ReadonlyMap<FieldPath, Leaf> {
    if (!this.#leaves) {
      const leaves: Leaves = new Map(this.#createdLeaves())
      for (const { path, stamp, json } of this.#fields) {
        const value = parseJson(json)
        if (value !== undefined) offer(leaves, path, { stamp, value })
      }
      for (const [path, leaf] of this.statusLeaves) offer(leaves, path, leaf)
      this.#leaves = leaves
    }
    return this.#leaves
  }

  /** The newest value of one path, without working out all of them. */
  leafAt(path: FieldPath): Leaf | undefined {
    if (this.#leaves) return this.#leaves.get(path)
    if (isStatusPath(path)) return this.statusLeaves.get(path)
    let newest = this.#createdLeaves().get(path)
    for (const field of this.#fields) {
      if (field.path !== path || (newest && field.stamp <= newest.stamp)) continue
      const value = parseJson(field.json)
      if (value !== undefined) newest = { stamp: field.stamp, value }
    }
    return newest
  }

  #createdLeaves(): ReadonlyMap<FieldPath, Leaf> {
    return this.#creation && this.created ? createdLeaves(this.#creation, this.created.stamp) : noLeaves
  }

  /** The same of the paths of status alone, which are few. */
  get statusLeaves(): ReadonlyMap<FieldPath, Leaf> {
    if (!this.#status) {
      const leaves: Leaves = new Map()
      if (this.#creation && this.created) {
        for (const [path, value] of creationStatus(this.#creation)) {
          offer(leaves, path, { stamp: this.created.stamp, value })
        }
      }
      for (const [writer, bytes] of this.#registers) {
        for (const [path, leaf] of registerLeaves(bytes, writer)) offer(leaves, path, leaf)
      }
      this.#status = leaves
    }
    return this.#status
  }
}

export const readDocument = (uid: string, document: Y.Doc): DocumentContent => new DocumentContent(uid, document)

function offer(leaves: Leaves, path: FieldPath, leaf: Leaf): void {
  const standing = leaves.get(path)
  if (!standing || leaf.stamp > standing.stamp) leaves.set(path, leaf)
}

function rivalsOf(fields: readonly FieldEntry[]): Rivals[] {
  const rivals: Rivals[] = []
  const best = new Map<FieldPath, FieldEntry>()
  for (const field of fields) {
    const standing = best.get(field.path)
    const [winner, loser] = !standing || field.stamp > standing.stamp ? [field, standing] : [standing, field]
    best.set(field.path, winner)
    if (!loser || isOrderPath(field.path)) continue
    const [won, lost] = [parseJson(winner.json), parseJson(loser.json)]
    if (won === undefined || lost === undefined) continue
    rivals.push({
      path: field.path,
      winner: { stamp: winner.stamp, value: won },
      loser: { stamp: loser.stamp, value: lost },
    })
  }
  return rivals
}

/** A path whose first step is a field, and not of status: those live in registers. */
const isFieldPath = (path: FieldPath): boolean => !isStatusPath(path) && parsePath(path)?.[0]?.type === 'field'

/** Deletes leave no trace in the map of who did them, but the operations that a replica still lacks do. */
function stateVectorDigest(uid: string, document: Y.Doc): Digest {
  let digest = hashText(uid)
  for (const client of document.store.clients.keys()) {
    digest = xorDigest(digest, hashText(`${uid}#${client}:${Y.getState(document.store, client)}`))
  }
  return digest
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes)
export const encodeText = (text: string): Uint8Array => encoder.encode(text)

function momentOfBytes(bytes: Uint8Array): Moment {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(momentLength, bytes.length)).toString('latin1')
}

/** The value of an entry's text; null for a removed field, undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  if (text === '') return null
  try {
    return parseExact(text)
  } catch {
    return undefined
  }
}

const newline = 10
const noUids = '[]'

/** JSON holds no raw newlines, so that each line can be read without the others. */
export function encodeCreation(
  moment: Moment,
  predecessors: readonly Predecessor[],
  fields: ReadonlyMap<FieldPath, FieldValue>,
): Uint8Array {
  const desired: [FieldPath, FieldValue][] = []
  const status: [FieldPath, FieldValue][] = []
  for (const field of fields) (isStatusPath(field[0]) ? status : desired).push(field)
  const uids = predecessors.length === 0 ? noUids : JSON.stringify(predecessors.map(predecessorText))
  return encodeText(`${moment}${uids}\n${jsonOf(desired)}\n${jsonOf(status)}`)
}

const jsonOf = (fields: readonly [FieldPath, FieldValue][]): string => JSON.stringify(Object.fromEntries(fields))

const outvotedMark = '!'
export const predecessorText = ({ uid, isOutvoted }: Predecessor): string => (isOutvoted ? outvotedMark + uid : uid)
export const parsePredecessor = (text: string): Predecessor => {
  const isOutvoted = text.startsWith(outvotedMark)
  return { uid: isOutvoted ? text.slice(outvotedMark.length) : text, isOutvoted }
}

function predecessorsOf(creation: Uint8Array): Predecessor[] | undefined {
  const end = creation.indexOf(newline)
  if (end < 0) return undefined
  const text = decodeText(creation.subarray(momentLength, end))
  if (text === noUids) return []
  const uids = parseJson(text)
  if (!Array.isArray(uids)) return undefined
  return uids.filter((uid): uid is string => typeof uid === 'string').map(parsePredecessor)
}

const noLeaves: ReadonlyMap<FieldPath, Leaf> = new Map()
const parsedCreations = new WeakMap<Uint8Array, ReadonlyMap<FieldPath, Leaf>>()

/** An entry's bytes never change, and stay the same ones while a document is hydrated: each is parsed once. */
function createdLeaves(creation: Uint8Array, stamp: Stamp): ReadonlyMap<FieldPath, Leaf> {
  const known = parsedCreations.get(creation)
  if (known) return known
  const line = creation.subarray(creation.indexOf(newline) + 1, creation.lastIndexOf(newline))
  const leaves: Leaves = new Map()
  for (const [path, value] of fieldsOf(parseJson(decodeText(line))))
    if (isFieldPath(path)) leaves.set(path, { stamp, value })
  parsedCreations.set(creation, leaves)
  return leaves
}

function creationStatus(creation: Uint8Array): [FieldPath, FieldValue][] {
  const line = creation.subarray(creation.lastIndexOf(newline) + 1)
  return fieldsOf(parseJson(decodeText(line))).filter(([path]) => isStatusPath(path) && parsePath(path))
}

const fieldsOf = (json: unknown): [FieldPath, FieldValue][] =>
  typeof json === 'object' && json !== null ? Object.entries(json) : []

const parsedRegisters = new WeakMap<Uint8Array, readonly [FieldPath, Leaf][]>()

/** What a status register says, newest last. */
export function registerLeaves(register: Uint8Array, writer: WriterId): readonly [FieldPath, Leaf][] {
  const known = parsedRegisters.get(register)
  if (known) return known
  const leaves: [FieldPath, Leaf][] = []
  const newest = momentOfBytes(register)
  const json = parseJson(decodeText(register.subarray(momentLength)))
  for (const [moment, units] of fieldsOf(json)) {
    if (!isMoment(moment) || moment > newest) continue
    for (const [path, value] of fieldsOf(units)) {
      if (isStatusPath(path) && parsePath(path)) leaves.push([path, { stamp: stampOf(moment, writer), value }])
    }
  }
  parsedRegisters.set(register, leaves)
  return leaves
}
