import type { GroupResource, ObjectKey } from '../api/object.ts'
import { Catalog } from './catalog.ts'
import type { DecidedObject } from './decided.ts'
import { DigestTable } from './digest.ts'
import type { DocumentState } from './document.ts'
import type { Creation } from './document-content.ts'
import type { History } from './history.ts'
import { ObjectView, type Contents } from './view.ts'

/** All that this node holds of one uid. */
export interface Incarnation {
  readonly key: ObjectKey
  readonly uid: string
  document: DocumentState | undefined
  decided: DecidedObject | undefined
}

/** Two objects of one name, of which one counts. */
export interface NameClash {
  winner: Incarnation
  loser: Incarnation
}

/** Whether there is an object: it was created and, as far as decisions go, not deleted. */
export function isAlive({ document, decided }: Incarnation): boolean {
  return !decided?.deleted && (document?.created !== undefined || decided?.created === true)
}

/**
 * Which of two objects of one name counts: one that was made knowing that the other was gone; else the one that a
 * decision made; else the later one. The same on every node.
 */
export function outranks(a: Incarnation, b: Incarnation): boolean {
  const [byA, byB] = [creation(a), creation(b)]
  const [afterB, afterA] = [isSuccessor(byA, b.uid), isSuccessor(byB, a.uid)]
  if (afterA !== afterB) return afterB
  const [decidedA, decidedB] = [a.decided?.created === true, b.decided?.created === true]
  if (decidedA !== decidedB) return decidedA
  const [stampA, stampB] = [byA?.stamp ?? '', byB?.stamp ?? '']
  return stampA === stampB ? a.uid > b.uid : stampA > stampB
}

const isSuccessor = (creation: Creation | undefined, uid: string): boolean =>
  creation?.predecessors.some((one) => one.uid === uid) === true

const creation = ({ document }: Incarnation): Creation | undefined => document?.created

/**
 * The replica's state in memory: every incarnation, which of them count, and the events of how that changed.
 * Changes are synchronous; the caller calls `history.flush()` when it is done.
 */
export class Incarnations {
  readonly digests = new DigestTable()
  readonly catalog = new Catalog()
  readonly #byUid = new Map<string, Incarnation>()
  readonly #nextVersion: () => bigint
  readonly #hasGeneration: (ref: GroupResource) => boolean
  /** Set once loading is over: until then there is nobody to tell. */
  history: History | undefined

  readonly #contents: Contents

  constructor(contents: Contents, nextVersion: () => bigint, hasGeneration: (ref: GroupResource) => boolean) {
    this.#contents = contents
    this.#nextVersion = nextVersion
    this.#hasGeneration = hasGeneration
  }

  get(uid: string): Incarnation | undefined {
    return this.#byUid.get(uid)
  }

  values(): IterableIterator<Incarnation> {
    return this.#byUid.values()
  }

  get size(): number {
    return this.#byUid.size
  }

  setDocument(state: DocumentState): NameClash | undefined {
    const incarnation = this.#ensure(state.key, state.uid)
    incarnation.document = state
    this.digests.set(state.uid, state.digest)
    return this.#settle(incarnation)
  }

  setDecided(decided: DecidedObject): NameClash | undefined {
    const incarnation = this.#ensure(decided.key, decided.uid)
    incarnation.decided = decided
    return this.#settle(incarnation)
  }

  /** Forgets the incarnation, with the event of its deletion if it counted. */
  remove(uid: string): Incarnation | undefined {
    const incarnation = this.#byUid.get(uid)
    if (!incarnation) return undefined
    this.#byUid.delete(uid)
    this.digests.set(uid, undefined)
    const standing = this.catalog.get(incarnation.key)
    if (standing?.uid === uid) this.#hide(standing)
    return incarnation
  }

  /** Takes away the decided values alone. */
  dropDecided(uid: string): void {
    const incarnation = this.#byUid.get(uid)
    if (!incarnation?.decided) return
    if (!incarnation.document) {
      this.remove(uid)
      return
    }
    incarnation.decided = undefined
    this.#settle(incarnation)
  }

  #ensure(key: ObjectKey, uid: string): Incarnation {
    let incarnation = this.#byUid.get(uid)
    if (!incarnation) {
      incarnation = { key, uid, document: undefined, decided: undefined }
      this.#byUid.set(uid, incarnation)
    }
    return incarnation
  }

  #settle(incarnation: Incarnation): NameClash | undefined {
    const standing = this.catalog.get(incarnation.key)
    if (!isAlive(incarnation)) {
      if (standing?.uid === incarnation.uid) this.#hide(standing)
      return undefined
    }
    if (!standing || standing.uid === incarnation.uid) {
      this.#show(incarnation, standing)
      return undefined
    }
    const rival = this.#byUid.get(standing.uid)
    if (!rival) return undefined
    if (!outranks(incarnation, rival)) return { winner: rival, loser: incarnation }
    this.#hide(standing)
    this.#show(incarnation, undefined)
    return { winner: incarnation, loser: rival }
  }

  #show(incarnation: Incarnation, previous: ObjectView | undefined): void {
    const { key, uid, document, decided } = incarnation
    const version = this.#nextVersion()
    const hasGeneration = this.#hasGeneration(key)
    const view = new ObjectView({
      key,
      uid,
      document,
      decided,
      version,
      hasGeneration,
      contents: this.#contents,
      ...(previous ? { previous } : {}),
    })
    this.catalog.set(view)
    this.history?.add(previous ? 'MODIFIED' : 'ADDED', view, previous)
  }

  #hide(view: ObjectView): void {
    this.catalog.remove(view.key)
    this.history?.add('DELETED', view.deletedAt(this.#nextVersion()), view)
  }
}
