import type { KubeObject } from '../api/object.ts'
import type { DecidedObject, FieldPath } from './decided.ts'
import { openDocument, readDocument, type DocumentContent, type DocumentState } from './document.ts'
import { unflatten, type Leaf } from './unflatten.ts'
import type { ObjectKey } from '../api/object.ts'

/** Field of a decided object that counts its decided changes of the desired state. Never shown. */
export const decidedGenerationPath = '#gen'

/** An object as one write left it: document and decided values. Immutable; the JSON is made when first asked for. */
export class ObjectView {
  readonly key: ObjectKey
  readonly uid: string
  readonly document: DocumentState | undefined
  readonly decided: DecidedObject | undefined
  readonly version: bigint
  #content: DocumentContent | undefined
  #object: KubeObject | undefined
  readonly #hasGeneration: boolean

  constructor(options: {
    key: ObjectKey
    uid: string
    document: DocumentState | undefined
    decided: DecidedObject | undefined
    version: bigint
    hasGeneration: boolean
    content?: DocumentContent
    /** The same state seen at another version. */
    object?: KubeObject
  }) {
    this.key = options.key
    this.uid = options.uid
    this.document = options.document
    this.decided = options.decided
    this.version = options.version
    this.#hasGeneration = options.hasGeneration
    this.#content = options.content
    this.#object = options.object
  }

  /** Frozen, deeply. */
  get object(): KubeObject {
    this.#object ??= this.#make()
    return this.#object
  }

  #make(): KubeObject {
    const content = this.#content ?? contentOf(this.document)
    this.#content = undefined
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
    return freeze(object) as KubeObject
  }

  /** The last state, as the event of its deletion shows it. */
  deletedAt(version: bigint): ObjectView {
    const metadata = { ...this.object.metadata, resourceVersion: version.toString() }
    const object = freeze({ ...this.object, metadata }) as KubeObject
    return new ObjectView({ ...this.#options(), version, object })
  }

  #options() {
    const { key, uid, document, decided } = this
    return { key, uid, document, decided, hasGeneration: this.#hasGeneration }
  }

  leaves(): ReadonlyMap<FieldPath, Leaf> {
    return mergedLeaves(contentOf(this.document), this.decided)
  }
}

export function contentOf(state: DocumentState | undefined): DocumentContent | undefined {
  return state && readDocument(state.uid, openDocument(state.encoded))
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

function generationOf(content: DocumentContent | undefined, decided: DecidedObject | undefined): number {
  return 1 + (content?.generation ?? 0) + decidedGeneration(decided)
}

export function decidedGeneration(decided: DecidedObject | undefined): number {
  const count = decided?.fields.get(decidedGenerationPath)?.value
  return typeof count === 'number' ? count : 0
}

function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const name in value) freeze((value as Record<string, unknown>)[name])
  return value
}
