import type { KubeObject } from '../api/object.ts'
import { deepFreeze } from '../lib/deep-freeze.ts'
import type { DecidedObject, FieldPath } from './decided.ts'
import { sameDigest } from './digest.ts'
import type { DocumentState } from './document.ts'
import type { DocumentContent } from './document-content.ts'
import { isStatusPath } from './field-path.ts'
import { unflatten, type Leaf } from './unflatten.ts'
import type { ObjectKey } from '../api/object.ts'

/** Field of a decided object that counts its decided changes of the desired state. Never shown. */
export const decidedGenerationPath = '#gen'

/** Reads what a document's state says. */
export interface Contents {
  contentOf(state: DocumentState): DocumentContent
}

/** An object as one write left it: document and decided values. Immutable; the JSON is made when first asked for. */
export class ObjectView {
  readonly key: ObjectKey
  readonly uid: string
  readonly document: DocumentState | undefined
  readonly decided: DecidedObject | undefined
  readonly version: bigint
  readonly #contents: Contents
  #object: KubeObject | undefined
  /** A former JSON of this object that differs in status and version at most. */
  #basis: KubeObject | undefined
  readonly #hasGeneration: boolean

  constructor(options: {
    key: ObjectKey
    uid: string
    document: DocumentState | undefined
    decided: DecidedObject | undefined
    version: bigint
    hasGeneration: boolean
    contents: Contents
    /** The view that this one replaces. */
    previous?: ObjectView
    /** The same state seen at another version. */
    object?: KubeObject
  }) {
    this.key = options.key
    this.uid = options.uid
    this.document = options.document
    this.decided = options.decided
    this.version = options.version
    this.#hasGeneration = options.hasGeneration
    this.#contents = options.contents
    this.#object = options.object
    this.#basis = options.previous && this.#basisFrom(options.previous)
  }

  #basisFrom(previous: ObjectView): KubeObject | undefined {
    const [now, before] = [this.document?.desiredDigest, previous.document?.desiredDigest]
    if (previous.uid !== this.uid || previous.decided !== this.decided || !now || !before) return undefined
    return sameDigest(now, before) ? (previous.#object ?? previous.#basis) : undefined
  }

  /** Frozen, deeply. */
  get object(): KubeObject {
    this.#object ??= this.#make()
    return this.#object
  }

  #make(): KubeObject {
    const content = this.document && this.#contents.contentOf(this.document)
    const basis = this.#basis
    this.#basis = undefined
    if (basis) return this.#withStatus(basis, content)
    const { metadata, ...rest } = unflatten(mergedLeaves(content, this.decided))
    const object = {
      apiVersion: '',
      kind: '',
      ...rest,
      metadata: {
        ...(metadata as object | undefined),
        name: this.key.name,
        ...(this.key.namespace ? { namespace: this.key.namespace } : {}),
        uid: this.uid,
        resourceVersion: this.version.toString(),
        ...(this.#hasGeneration ? { generation: generationOf(content, this.decided) } : {}),
      },
    }
    return deepFreeze(object) as KubeObject
  }

  /** Status is written most: the rest of the object is shared with what was shown before. */
  #withStatus(basis: KubeObject, content: DocumentContent | undefined): KubeObject {
    const { status } = unflatten(mergedStatus(content, this.decided))
    const metadata = { ...basis.metadata, resourceVersion: this.version.toString() }
    const object: Record<string, unknown> = { ...basis, metadata }
    if (status === undefined) delete object.status
    else object.status = status
    return deepFreeze(object) as unknown as KubeObject
  }

  /** The last state, as the event of its deletion shows it. */
  deletedAt(version: bigint): ObjectView {
    const metadata = { ...this.object.metadata, resourceVersion: version.toString() }
    const object = deepFreeze({ ...this.object, metadata }) as KubeObject
    return new ObjectView({ ...this.#options(), version, object })
  }

  #options() {
    const { key, uid, document, decided } = this
    return { key, uid, document, decided, hasGeneration: this.#hasGeneration, contents: this.#contents }
  }
}

/** Per path the highest stamp counts, whichever class the write was of. */
export function mergedLeaves(
  content: DocumentContent | undefined,
  decided: DecidedObject | undefined,
): ReadonlyMap<FieldPath, Leaf> {
  if (!decided || decided.fields.size === 0) return content?.leaves ?? new Map()
  const leaves = new Map<FieldPath, Leaf>(content?.leaves)
  for (const [path, leaf] of decided.fields) {
    if (path === decidedGenerationPath) continue
    const standing = leaves.get(path)
    if (!standing || leaf.stamp > standing.stamp) leaves.set(path, leaf)
  }
  return leaves
}

/** As {@link mergedLeaves}, of the paths of status alone. */
export function mergedStatus(
  content: DocumentContent | undefined,
  decided: DecidedObject | undefined,
): ReadonlyMap<FieldPath, Leaf> {
  const leaves = new Map<FieldPath, Leaf>(content?.statusLeaves)
  for (const [path, leaf] of decided?.fields ?? []) {
    if (!isStatusPath(path)) continue
    const standing = leaves.get(path)
    if (!standing || leaf.stamp > standing.stamp) leaves.set(path, leaf)
  }
  return leaves
}

/** The leaves that writing `paths` has to look at. */
export function leavesFor(
  paths: Iterable<FieldPath>,
  content: DocumentContent | undefined,
  decided: DecidedObject | undefined,
): ReadonlyMap<FieldPath, Leaf> {
  for (const path of paths) if (!isStatusPath(path)) return mergedLeaves(content, decided)
  return mergedStatus(content, decided)
}

function generationOf(content: DocumentContent | undefined, decided: DecidedObject | undefined): number {
  return 1 + (content?.generation ?? 0) + decidedGeneration(decided)
}

export function decidedGeneration(decided: DecidedObject | undefined): number {
  const count = decided?.fields.get(decidedGenerationPath)?.value
  return typeof count === 'number' ? count : 0
}
