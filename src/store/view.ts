import type { KubeObject } from '../api/object.ts'
import { deepFreeze } from '../lib/deep-freeze.ts'
import type { DecidedObject, FieldPath } from './decided.ts'
import { sameDigest } from './digest.ts'
import type { DocumentState } from './document.ts'
import type { DocumentContent } from './document-content.ts'
import { isStatusPath, sectionOf } from './field-path.ts'
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
  #basis: Basis | undefined
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

  #basisFrom(previous: ObjectView): Basis | undefined {
    if (previous.uid !== this.uid) return undefined
    const changed = changedSections(previous, this)
    if (!changed) return undefined
    if (previous.#object) return { object: previous.#object, changed }
    return previous.#basis && { object: previous.#basis.object, changed: changed.union(previous.#basis.changed) }
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
    if (basis) return this.#remake(basis, content)
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

  /** What did not change is shared with what was shown before. */
  #remake({ object: before, changed }: Basis, content: DocumentContent | undefined): KubeObject {
    const isStatusOnly = changed.size === 1 && changed.has('status')
    const leaves = isStatusOnly ? mergedStatus(content, this.decided) : mergedLeaves(content, this.decided)
    const { metadata: fresh = {}, ...parts } = unflatten(leaves, (path) => changed.has(sectionOf(path) ?? ''))
    const metadata: Record<string, unknown> = { ...before.metadata, resourceVersion: this.version.toString() }
    const object: Record<string, unknown> = { ...before, metadata }
    for (const section of changed) {
      const [target, source, name] = section.startsWith('metadata.')
        ? [metadata, fresh as Record<string, unknown>, section.slice('metadata.'.length)]
        : [object, parts, section]
      if (source[name] === undefined) delete target[name]
      else target[name] = source[name]
    }
    if (this.#hasGeneration) metadata['generation'] = generationOf(content, this.decided)
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

/** A former JSON of an object, and the parts (see sectionOf) that are to be made anew. */
interface Basis {
  readonly object: KubeObject
  readonly changed: ReadonlySet<string>
}

const statusOnly: ReadonlySet<string> = new Set(['status'])
const noSections: ReadonlySet<string> = new Set()

/** The parts in which two states of an object may differ; undefined when that is not known. */
function changedSections(before: ObjectView, now: ObjectView): ReadonlySet<string> | undefined {
  const declared = documentSections(before.document, now.document)
  if (!declared || before.decided === now.decided) return declared
  const sections = new Set(declared)
  const [old, fresh] = [before.decided?.fields ?? noFields, now.decided?.fields ?? noFields]
  for (const [one, other] of [
    [old, fresh],
    [fresh, old],
  ] as const) {
    for (const [path, { stamp }] of one) {
      if (path === decidedGenerationPath || other.get(path)?.stamp === stamp) continue
      const section = sectionOf(path)
      if (section === undefined) return undefined
      sections.add(section)
    }
  }
  return sections
}

const noFields: DecidedObject['fields'] = new Map()

function documentSections(
  before: DocumentState | undefined,
  now: DocumentState | undefined,
): ReadonlySet<string> | undefined {
  if (before === now) return noSections
  if (!before || !now) return undefined
  if (before.desiredDigest && now.desiredDigest && sameDigest(before.desiredDigest, now.desiredDigest))
    return statusOnly
  return now.since && sameDigest(now.since.digest, before.digest) ? now.since.sections : undefined
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

/** The leaves that writing `paths` has to look at: all of them where an element may come back to life, with what is below it. */
export function leavesFor(
  paths: readonly FieldPath[],
  content: DocumentContent | undefined,
  decided: DecidedObject | undefined,
): ReadonlyMap<FieldPath, Leaf> {
  if (paths.some((path) => path.endsWith(']') && !isWholeElement(path))) return mergedLeaves(content, decided)
  const leaves = new Map<FieldPath, Leaf>()
  for (const path of paths) {
    const leaf = newer(content?.leafAt(path), decided?.fields.get(path))
    if (leaf) leaves.set(path, leaf)
  }
  return leaves
}

const newer = (a: Leaf | undefined, b: Leaf | undefined): Leaf | undefined => (!a || (b && b.stamp > a.stamp) ? b : a)

/** Below elements of status, and of managedFields, nothing has a path of its own. */
const isWholeElement = (path: FieldPath): boolean => isStatusPath(path) || path.startsWith('metadata.managedFields[')

function generationOf(content: DocumentContent | undefined, decided: DecidedObject | undefined): number {
  return 1 + (content?.generation ?? 0) + decidedGeneration(decided)
}

export function decidedGeneration(decided: DecidedObject | undefined): number {
  const count = decided?.fields.get(decidedGenerationPath)?.value
  return typeof count === 'number' ? count : 0
}
