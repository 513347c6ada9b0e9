import type { GroupResource, KubeObject, ObjectKey } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Conflict } from './conflict.ts'
import { DecidedWrites } from './decided-writes.ts'
import type { DecidedObject, DecidedSink, DecidedSource, ObjectEntry, ObjectProposal } from './decided.ts'
import type { DigestTable } from './digest.ts'
import type { Disk } from './disk.ts'
import { History } from './history.ts'
import { HotDocuments } from './hot-documents.ts'
import { Incarnations, type NameClash } from './incarnations.ts'
import { defaultStoreLimits, type StoreLimits } from './limits.ts'
import { loadReplica } from './load.ts'
import type { Tombstone } from './record.ts'
import type { Change, MergeResult, Replica } from './replica.ts'
import {
  replacementOf,
  stageCreate,
  stageDelete,
  stageRemote,
  stageTombstone,
  stageUpdate,
  type StageContext,
} from './stages.ts'
import type { Staging } from './staging.ts'
import { msOfStamp, stampClock, stampOf, writerId, type StampClock, type WriterId } from './stamp.ts'
import type { FieldLayout, Store, StoreEvent, Write } from './store.ts'
import { Sweeper } from './sweeper.ts'
import { Tombstones } from './tombstones.ts'
import { VersionSource } from './versions.ts'

/** A tombstone that all members have is kept a little longer, for messages that are still under way. */
const settleMs = 10 * 60_000
export interface ObjectStoreOptions {
  disk: Disk
  clock: Clock
  random: Random
  logger: Logger
  /** Number of this member, never reused: 1…65,535. */
  nodeNumber: number
  layout: FieldLayout
  limits?: Partial<StoreLimits>
  /** Told once in the cluster for each acknowledged write that does not count. */
  onConflict?(conflict: Conflict): void
}

/**
 * Opens this node's replica: reads the disk, and takes a writer id and a block of versions that no earlier life of
 * the node used. Throws when the disk holds a format that this version does not know.
 */
export async function openStore(options: ObjectStoreOptions): Promise<ObjectStore> {
  const limits = { ...defaultStoreLimits, ...options.limits }
  const stamps = stampClock(options.clock, limits.maxDriftMs)
  const loaded = await loadReplica(options, stamps)
  return new ObjectStore(options, limits, stamps, loaded)
}

/** The store of architecture §2–§4. One a node; see SPEC.md for what it promises. */
export class ObjectStore implements Store, DecidedSink, Replica, Service {
  readonly retentionMs: number
  readonly #options: ObjectStoreOptions
  readonly #limits: StoreLimits
  readonly #stamps: StampClock
  readonly #writer: WriterId
  readonly #versions: VersionSource
  readonly #history: History
  readonly #incarnations: Incarnations
  readonly #tombstones: Tombstones
  readonly #facts: Map<string, unknown>
  readonly #queue: CommitQueue
  readonly #hot = new HotDocuments()
  readonly #context: StageContext
  /** Deleted uids of which the decision log still keeps values: their tombstones stay until it forgets them. */
  readonly #decidedGone = new Set<string>()
  readonly #decidedWrites: DecidedWrites
  readonly #sweeper: Sweeper
  #onLocal: (changes: readonly Change[]) => Promise<void> = () => Promise.resolve()
  #refused = 0

  constructor(
    options: ObjectStoreOptions,
    limits: StoreLimits,
    stamps: StampClock,
    loaded: Awaited<ReturnType<typeof loadReplica>>,
  ) {
    this.#options = options
    this.#limits = limits
    this.#stamps = stamps
    this.retentionMs = limits.retentionMs
    this.#writer = writerId(options.nodeNumber, loaded.boot)
    this.#facts = loaded.facts
    this.#queue = new CommitQueue({
      disk: options.disk,
      logger: options.logger,
      publish: (staging) => this.#publish(staging),
    })
    this.#versions = new VersionSource(
      options.nodeNumber,
      loaded.firstVersion,
      loaded.reservedVersions,
      async (bound) => {
        await this.setFact('versions', bound)
      },
    )
    const hasGeneration = (ref: GroupResource) => options.layout.hasGeneration?.(ref) ?? true
    this.#incarnations = new Incarnations(this.#hot, () => this.#versions.next(), hasGeneration)
    this.#tombstones = new Tombstones({ retentionMs: limits.retentionMs, settleMs })
    for (const tombstone of loaded.tombstones) this.#tombstones.add(tombstone)
    this.#context = {
      layout: options.layout,
      stamps,
      writer: this.#writer,
      nodeNumber: options.nodeNumber,
      incarnations: this.#incarnations,
      tombstones: this.#tombstones,
      hot: this.#hot,
      isExpired: (key, newest) => this.#isExpired(key, newest),
    }
    this.#decidedWrites = new DecidedWrites({
      context: this.#context,
      inFlight: () => this.#queue.inFlight,
      standing: (key, uid) => this.#standing(key, uid),
      newUid: () => this.#newUid(),
      adopt: (change) => {
        this.merge([change]).catch((error: unknown) => {
          options.logger.warn({ err: error }, 'store: what a proposal carried was not written')
        })
      },
    })
    this.#sweeper = new Sweeper({
      clock: options.clock,
      context: this.#context,
      isKept: (uid) => this.#decidedGone.has(uid),
      submit: (stage) => this.#background(stage),
    })
    const clashes = loaded.documents.map((document) => this.#incarnations.setDocument(document))
    this.#history = new History(
      { maxEvents: limits.historyEvents, maxBytes: limits.historyBytes },
      this.#versions.current(),
      (error) => options.logger.error({ err: error }, 'store: a watcher failed'),
    )
    this.#incarnations.history = this.#history
    for (const clash of clashes) this.#resolve(clash)
  }

  /** Begins to sweep away what has outlived its time. */
  start(): Promise<void> {
    this.#sweeper.start()
    return Promise.resolve()
  }

  /** Waits for writes under way. The disk stays open: it is its owner's. */
  async stop(): Promise<void> {
    this.#sweeper.stop()
    await this.#queue.close()
  }

  /** The log is made after the store: until this is called decided writes are refused with 503. */
  setDecisions(source: DecidedSource): void {
    this.#decidedWrites.source = source
  }

  get(key: ObjectKey): KubeObject | undefined {
    return this.#incarnations.catalog.get(key)?.object
  }

  list(ref: GroupResource, namespace?: string): { items: KubeObject[]; resourceVersion: string } {
    const items = this.#incarnations.catalog.list(ref, namespace).map((view) => view.object)
    return { items, resourceVersion: this.currentVersion().toString() }
  }

  count(ref: GroupResource): number {
    return this.#incarnations.catalog.count(ref)
  }

  currentVersion(): bigint {
    return this.#versions.current()
  }

  watch(ref: GroupResource, since: string | undefined, listener: (event: StoreEvent) => void): { close(): void } {
    return this.#history.watch(ref, since, this.#versions, listener)
  }

  write(write: Write, options: { signal?: AbortSignal } = {}): Promise<KubeObject> {
    options.signal?.throwIfAborted()
    const isDecided = write.decided || (write.op !== 'create' && write.resourceVersion !== undefined)
    return isDecided ? this.#decidedWrites.write(write, options) : this.#writeDeclared(write)
  }

  async #writeDeclared(write: Write): Promise<KubeObject> {
    const { key } = write
    const { result, spread } = await this.#queue.submit((staging) => {
      if (write.op === 'delete') {
        const last = stageDelete(this.#context, staging, key, write.uid, write.base)
        return () => last
      }
      if (write.op === 'create') {
        return stageCreate(this.#context, staging, key, write.object.metadata.uid ?? this.#newUid(), write.object)
      }
      stageUpdate(this.#context, staging, write)
      return () => this.#standing(key, write.uid)
    })
    await spread
    return result
  }

  /** The object as it is now. Throws NotFound when there is none, or another one than was written to. */
  #standing(key: ObjectKey, uid: string | undefined): KubeObject {
    const object = this.get(key)
    if (!object || (uid !== undefined && object.metadata.uid !== uid)) throw errors.notFound(key, key.name)
    return object
  }

  #newUid(): string {
    const hex = Buffer.from(this.#options.random.bytes(16)).toString('hex')
    const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }

  judge(proposal: ObjectProposal): ObjectEntry {
    return this.#decidedWrites.judge(proposal)
  }

  applyDecided(objects: Iterable<DecidedObject>): void {
    for (const decided of objects) {
      for (const { stamp } of decided.fields.values()) this.#stamps.merge(stamp)
      if (this.#tombstones.has(decided.uid)) {
        this.#decidedGone.add(decided.uid)
        continue
      }
      const present = this.#incarnations.get(decided.uid)?.decided
      if (present && present.index === decided.index && present.deleted === decided.deleted) continue
      this.#resolve(this.#incarnations.setDecided(decided))
      if (decided.deleted) this.#bury(decided)
    }
    this.#history.flush()
  }

  /** A decided deletion becomes a tombstone, which outlives the log's memory of it. Every node makes its own: none is sent. */
  #bury({ key, uid }: DecidedObject): void {
    const stamp = stampOf(this.#stamps.issue(), this.#writer)
    this.#decidedGone.add(uid)
    this.#background((staging) => {
      if (!this.#tombstones.has(uid)) staging.putTombstone({ key, uid, stamp, replacedBy: '', created: '' })
    })
  }

  isGone(uid: string): boolean {
    return !this.#incarnations.get(uid) && this.#tombstones.isSettled(uid, this.#options.clock.nowMs())
  }

  forgotten(uids: Iterable<string>): void {
    for (const uid of uids) {
      this.#decidedGone.delete(uid)
      this.#incarnations.dropDecided(uid)
    }
    this.#history.flush()
  }

  get digests(): DigestTable {
    return this.#incarnations.digests
  }

  onLocalChanges(handler: (changes: readonly Change[]) => Promise<void>): void {
    this.#onLocal = handler
  }

  async merge(changes: readonly Change[]): Promise<MergeResult> {
    if (changes.length === 0) return { applied: 0, refused: 0 }
    const { result } = await this.#queue.submit((staging) => {
      const counted: MergeResult = { applied: 0, refused: 0 }
      for (const change of changes) {
        try {
          if (stageRemote(this.#context, staging, change)) counted.applied += 1
        } catch (error) {
          counted.refused += 1
          this.#refused += 1
          this.#options.logger.warn({ err: error, change: change.type }, 'store: refused a change from a peer')
        }
      }
      return () => counted
    })
    return result
  }

  /** Changes from peers that were refused since the start. */
  get refused(): number {
    return this.#refused
  }

  /** Why this node's disk takes no writes; undefined while it does. */
  get diskFault(): string | undefined {
    return this.#queue.fault
  }

  document(uid: string): { key: ObjectKey; encoded: Uint8Array } | undefined {
    const document = this.#incarnations.get(uid)?.document
    return document && { key: document.key, encoded: document.encoded }
  }

  tombstone(uid: string): Tombstone | undefined {
    return this.#tombstones.get(uid)
  }

  tombstonesSince(sequence: number, limit: number): { tombstones: Tombstone[]; last: number } {
    return this.#tombstones.since(sequence, limit)
  }

  acknowledgeTombstones(sequence: number): void {
    this.#tombstones.acknowledge(sequence)
  }

  fact(name: string): unknown {
    return this.#facts.get(name)
  }

  async setFact(name: string, value: unknown): Promise<void> {
    await this.#queue.submit((staging) => {
      staging.facts.set(name, value)
      return () => undefined
    })
  }

  documentCount(): number {
    return this.#incarnations.size
  }

  tombstoneCount(): number {
    return this.#tombstones.size
  }

  /** Makes visible what has become durable. Runs to its end without a pause: readers see all of a commit or nothing. */
  #publish(staging: Staging): Promise<void> {
    for (const [name, value] of staging.facts) this.#facts.set(name, value)
    for (const uid of staging.forgottenTombstones) this.#tombstones.remove(uid)
    for (const uid of staging.dropped) this.#incarnations.remove(uid)
    for (const [uid, tombstone] of staging.tombstones) {
      this.#tombstones.add(tombstone)
      if (this.#incarnations.remove(uid)?.decided) this.#decidedGone.add(uid)
    }
    for (const state of staging.documents.values()) this.#resolve(this.#incarnations.setDocument(state))
    this.#history.flush()
    for (const conflict of staging.conflicts) this.#options.onConflict?.(conflict)
    return staging.outgoing.length > 0 ? this.#onLocal(staging.outgoing) : Promise.resolve()
  }

  #resolve(clash: NameClash | undefined): void {
    if (!clash) return
    const stamp = stampOf(this.#stamps.issue(), this.#writer)
    const tombstone = replacementOf(clash.winner, clash.loser, stamp)
    this.#background((staging) => stageTombstone(this.#context, staging, tombstone))
  }

  /** A write that nobody waits for. When it fails it is made again by what makes it necessary: a restart, or a sweep. */
  #background(stage: (staging: Staging) => void): void {
    const operation = (staging: Staging) => {
      stage(staging)
      return () => undefined
    }
    this.#queue.submit(operation).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'store: a clean-up was not written')
    })
  }

  #isExpired(key: ObjectKey, newest: string): boolean {
    if (key.group !== '' || key.resource !== 'events' || newest === '') return false
    return msOfStamp(newest) + this.#limits.eventTtlMs < this.#options.clock.nowMs()
  }
}
