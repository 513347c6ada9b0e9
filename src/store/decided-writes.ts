import type { KubeObject, ObjectKey } from '../api/object.ts'
import { errors, isStatus } from '../api/status-error.ts'
import type { DecidedSource, ObjectEntry, ObjectProposal } from './decided.ts'
import { changesBetween, effectiveChanges } from './diff.ts'
import { closeDocument, mergeUpdate, openDocument } from './document.ts'
import { readDocument } from './document-content.ts'
import { isOrderPath } from './field-path.ts'
import { flatten, flattenDifferences } from './flatten.ts'
import type { Incarnation } from './incarnations.ts'
import { judgeProposal, modifiedText, standingAfter, versionOf } from './judge.ts'
import type { Change } from './replica.ts'
import { sameJson } from '../lib/same-json.ts'
import { requireNoNewFinalizer } from './new-finalizer.ts'
import type { StageContext } from './stages.ts'
import type { Staging } from './staging.ts'
import { stampOf } from './stamp.ts'
import type { Write } from './store.ts'
import { mergedLeaves } from './view.ts'

/** Proposals of one decided write without a resourceVersion, when others decide about the object at the same time. */
const proposalAttempts = 4

export interface DecidedWritesParts {
  context: StageContext
  /** What is on its way to the disk now. */
  inFlight(): Staging | undefined
  /** The object as it is now. Throws NotFound when there is none, or another one than was written to. */
  standing(key: ObjectKey, uid: string | undefined): KubeObject
  newUid(): string
  /** Takes a change that a proposal carried. */
  adopt(change: Change): void
}

/** Writes that the decision log decides (architecture §4): what the asker proposes, and how the leader judges it. */
export class DecidedWrites {
  readonly #parts: DecidedWritesParts
  /** The log is made after the store: until this is set decided writes are refused with 503. */
  source: DecidedSource | undefined

  constructor(parts: DecidedWritesParts) {
    this.#parts = parts
  }

  /** Throws what {@link Store.write} does. */
  async write(write: Write, options: { signal?: AbortSignal }): Promise<KubeObject> {
    const { key } = write
    const { source } = this
    const { context, standing } = this.#parts
    if (!source) throw errors.unavailable('the decision log of this node has not started yet')
    const last = context.incarnations.catalog.get(key)?.object
    for (let attempt = 1; ; attempt += 1) {
      const proposal = write.op === 'create' ? this.#creation(key, write.object) : this.#alteration(write)
      if (!proposal) return standing(key, write.op === 'create' ? undefined : write.uid)
      try {
        await source.propose(proposal, options)
      } catch (error) {
        const mayRetry = write.op !== 'create' && write.resourceVersion === undefined && attempt < proposalAttempts
        if (mayRetry && isStatus(error, 'Conflict')) continue
        throw error
      }
      if (write.op === 'delete' && last) return last
      return standing(key, write.op === 'create' ? undefined : write.uid)
    }
  }

  #creation(key: ObjectKey, object: KubeObject): ObjectProposal {
    const { context, newUid } = this.#parts
    if (context.incarnations.catalog.get(key)) throw errors.alreadyExists(key, key.name)
    const fields = Object.fromEntries(flatten(key, object, context.layout))
    return { op: 'create', key, uid: object.metadata.uid ?? newUid(), fields }
  }

  /** The proposal for an update or deletion; undefined when nothing would change. Throws NotFound, Conflict. */
  #alteration(write: Exclude<Write, { op: 'create' }>): ObjectProposal | undefined {
    const { incarnations, hot, layout } = this.#parts.context
    const { key, uid, op } = write
    const view = incarnations.catalog.get(key)
    if (view?.uid !== uid) throw errors.notFound(key, key.name)
    if (write.resourceVersion !== undefined && write.resourceVersion !== view.version.toString()) {
      throw errors.conflict(key, key.name, modifiedText)
    }
    if (write.op === 'delete') requireNoNewFinalizer(key, view.object, write.base)
    const content = view.document && hot.contentOf(view.document)
    const precondition =
      write.resourceVersion === undefined ? {} : { expected: versionOf(content, incarnations.get(uid)) }
    const document = view.document ? { document: view.document.encoded } : {}
    if (write.op === 'delete') return { op, key, uid, fields: {}, ...precondition, ...document }

    const [base, wanted] = flattenDifferences(key, write.base, write.object, layout)
    const leaves = mergedLeaves(content, view.decided)
    const changes = effectiveChanges(changesBetween(base, wanted), leaves)
    if (changes.size === 0) return undefined
    const was: NonNullable<ObjectProposal['was']> = {}
    for (const path of changes.keys()) {
      // Nobody wrote the order in which elements stand that were added at the same time: nothing to hold a write to.
      if (isOrderPath(path)) continue
      was[path] = base.get(path) ?? null
      const hidden = !base.has(path) && changes.get(path) === null
      if (!hidden && !sameJson(was[path], leaves.get(path)?.value ?? null))
        throw errors.conflict(key, key.name, modifiedText)
      if (hidden) delete was[path]
    }
    return { op, key, uid, fields: Object.fromEntries(changes), was, ...precondition, ...document }
  }

  /** On the leader: see {@link DecidedSink.judge}. */
  judge(proposal: ObjectProposal): ObjectEntry {
    const { key, uid } = proposal
    const { incarnations, tombstones, stamps, hot, writer } = this.#parts.context
    const inFlight = this.#parts.inFlight()
    let incarnation = incarnations.get(uid)
    let arriving: Incarnation | undefined
    const known = inFlight?.documents.get(uid) ?? incarnation?.document
    let content = known && hot.contentOf(known)
    // Asked at this node, of the state that it has: the document says nothing new.
    const isNews = proposal.document !== undefined && proposal.document !== known?.encoded
    if (isNews && proposal.document && !tombstones.has(uid)) {
      try {
        const document = openDocument(known?.encoded)
        mergeUpdate(document, proposal.document)
        content = readDocument(uid, document)
        // The asker's write may be quicker here than its object.
        if (!incarnation)
          arriving = { key, uid, document: closeDocument(key, uid, document, content), decided: undefined }
      } catch {
        throw errors.badRequest('the proposal carries an unreadable document')
      }
      if (content.newest !== '') stamps.merge(content.newest)
      this.#parts.adopt({ type: 'document', key, uid, update: proposal.document })
    }
    const standing = incarnations.catalog.get(key)
    incarnation ??= arriving
    const facts = {
      standing: standingAfter(standing && incarnations.get(standing.uid), arriving),
      incarnation,
      content,
      deleted: tombstones.has(uid) || inFlight?.tombstones.has(uid) === true || incarnation?.decided?.deleted === true,
    }
    return judgeProposal(proposal, facts, stampOf(stamps.issue(), writer))
  }
}
