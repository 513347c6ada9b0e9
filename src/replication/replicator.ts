import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'
import { ownWire, type WireRange } from '../mesh/wire-range.ts'
import { digestText } from '../store/digest.ts'
import type { Change, Replica } from '../store/replica.ts'
import { AntiEntropy, type SyncResult } from './anti-entropy.ts'
import { decodeBatch, encodeBatch, type Announcement, type Batch } from './batch.ts'
import { DurableCopies } from './durable-copies.ts'
import { Outbox } from './outbox.ts'
import { Peers, type PeerStatus } from './peers.ts'
import { Speech, type SpeakingMember } from './speech.ts'

/** Changes gather this long before they are broadcast. */
const batchDelayMs = 30
/** A session with a random peer begins this long after the last, at least and at most. */
const syncIntervalMs = { least: 10_000, most: 30_000 }
/** After a lost broadcast: time for it to come by another way before the author is asked. */
const gapDelayMs = 2_000
/** How often the times of the last sessions are written down, so that a restart remembers them. */
const rememberIntervalMs = 60_000
/** The larger of two peer ids gives the other this long to open the first session on a new connection. */
const secondGreeterDelayMs = 1_000

export interface ReplicatorOptions {
  mesh: Mesh
  replica: Replica
  clock: Clock
  random: Random
  logger: Logger
  /** Versions of the wire format that this node speaks. Default: those of this program. */
  speaks?: WireRange
  /** Deletions that this node never heard of are forgotten elsewhere: it must discard its data and join anew. */
  onStale?(peer: PeerId): void
}

/** How replication stands, for `cluster status` and metrics. */
export interface ReplicationStatus {
  readonly peers: readonly PeerStatus[]
  readonly documents: number
  readonly rootDigest: string
  readonly sessions: number
  readonly failedSessions: number
  /** Changes that found no room in the outbox and were left to anti-entropy. */
  readonly overflowed: number
}

/**
 * Spreads what is written here and gathers what is written elsewhere: broadcasts for speed, anti-entropy so that
 * nothing stays lost, one durable copy for writes that wait for it. See SPEC.md.
 */
export class Replicator implements Service {
  readonly #options: ReplicatorOptions
  readonly #peers = new Peers()
  readonly #outbox = new Outbox()
  readonly #speech: Speech
  readonly #antiEntropy: AntiEntropy
  readonly #epoch: number
  readonly #stopping = new AbortController()
  readonly #due = new Map<PeerId, Timer>()
  readonly #sessions = new Set<Promise<void>>()
  readonly #wanted = new Set<PeerId>()
  #members: readonly PeerId[] = []
  #sequence = 0
  #batchTimer: Timer | undefined
  #syncTimer: Timer | undefined
  #rememberedMs = 0
  #active: PeerId | undefined
  #finished = 0
  #failed = 0

  constructor(options: ReplicatorOptions) {
    this.#options = options
    const { mesh, replica, clock, random } = options
    this.#epoch = Math.floor(random.next() * 2 ** 48)
    this.#speech = new Speech(options.speaks ?? ownWire)
    const speech = this.#speech
    const copies = new DurableCopies({ mesh, replica, clock, peers: this.#peers, speech })
    this.#antiEntropy = new AntiEntropy({
      mesh,
      replica,
      clock,
      speech,
      standing: (peer) => ({ lastSyncMs: this.#peers.lastSyncMs(peer), isCurrent: this.#isCurrent() }),
      tombstones: {
        get: (peer) => this.#peers.tombstones(peer),
        set: (peer, sequence) => this.#peers.noteTombstones(peer, sequence),
      },
      onStale: (peer) => options.onStale?.(peer),
      onMalformed: (peer, error) => this.#malformed(peer, error),
    })
    replica.onLocalChanges((changes) => {
      this.#enqueue(changes)
      return copies.copy(changes)
    })
    mesh.onBroadcast((from, data) => this.#received(from, data))
    mesh.onPeer((peer, up) => {
      if (up) this.#syncSoon(peer, mesh.self < peer ? 0 : secondGreeterDelayMs)
    })
  }

  start(): Promise<void> {
    const remembered = this.#options.replica.fact('lastSync')
    if (typeof remembered === 'object' && remembered !== null) {
      for (const [peer, ms] of Object.entries(remembered)) if (typeof ms === 'number') this.#peers.noteSync(peer, ms)
    }
    for (const peer of this.#options.mesh.connected()) this.#syncSoon(peer, 0)
    this.#schedule()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#batchTimer?.cancel()
    this.#syncTimer?.cancel()
    for (const timer of this.#due.values()) timer.cancel()
    this.#due.clear()
    this.#wanted.clear()
    while (!this.#outbox.isEmpty) this.#broadcast()
    await Promise.all(this.#sessions)
  }

  /** The members now, this one included: who must know of a deletion before it may be forgotten, and what they speak. */
  setMembers(members: readonly SpeakingMember[]): void {
    const others = members.filter(({ peer }) => peer !== this.#options.mesh.self)
    const refused = new Set(this.#members.filter((peer) => this.#speech.refusal(peer)))
    this.#members = others.map(({ peer }) => peer)
    this.#speech.setMembers(others)
    for (const peer of this.#members) {
      const refusal = this.#speech.refusal(peer)
      if (refusal && !refused.has(peer)) this.#options.logger.error({ peer }, `replication: ${refusal}`)
    }
  }

  status(): ReplicationStatus {
    const { replica, mesh } = this.#options
    return {
      peers: this.#peers.status([...new Set([...this.#members, ...mesh.connected()])], (peer) =>
        this.#speech.refusal(peer),
      ),
      documents: replica.documentCount(),
      rootDigest: digestText(replica.digests.root()),
      sessions: this.#finished,
      failedSessions: this.#failed,
      overflowed: this.#outbox.overflowed,
    }
  }

  #enqueue(changes: readonly Change[]): void {
    if (!this.#outbox.add(changes)) {
      for (const peer of this.#options.mesh.connected()) this.#syncSoon(peer, gapDelayMs)
    }
    if (this.#stopping.signal.aborted) return
    this.#batchTimer ??= this.#options.clock.after(batchDelayMs, () => {
      this.#batchTimer = undefined
      this.#broadcast()
      if (!this.#outbox.isEmpty) this.#enqueue([])
    })
  }

  #broadcast(): void {
    const { changes, announced } = this.#outbox.take()
    if (changes.length + announced.length === 0) return
    this.#sequence += 1
    const sentMs = this.#options.clock.nowMs()
    this.#options.mesh.broadcast(
      encodeBatch(this.#speech.toAll(), { epoch: this.#epoch, sequence: this.#sequence, sentMs, changes, announced }),
    )
  }

  #received(from: PeerId, data: Uint8Array): void {
    let batch: Batch | undefined
    try {
      batch = decodeBatch(data, this.#speech.own)
    } catch (error) {
      this.#malformed(from, error)
      return
    }
    if (!batch || this.#stopping.signal.aborted) return
    const lagMs = this.#options.clock.nowMs() - batch.sentMs
    if (this.#peers.noteBatch(from, batch.epoch, batch.sequence, lagMs) > 0) this.#syncSoon(from, gapDelayMs)
    this.#options.replica.merge(batch.changes).catch((error: unknown) => {
      this.#options.logger.warn({ err: error, peer: from }, 'replication: a batch was not written; anti-entropy will')
      this.#syncSoon(from, gapDelayMs)
    })
    if (batch.announced.some((one) => this.#lacks(one))) this.#syncSoon(from, 0)
  }

  /** Announced documents are as good as lost broadcasts: the session with their author fetches them. */
  #lacks({ uid }: Announcement): boolean {
    return this.#options.replica.tombstone(uid) === undefined
  }

  #malformed(peer: PeerId, error: unknown): void {
    this.#peers.noteMalformed(peer)
    this.#options.logger.warn({ err: error, peer }, 'replication: dropped what a peer sent')
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return
    const { clock, random, mesh } = this.#options
    const delayMs = syncIntervalMs.least + random.next() * (syncIntervalMs.most - syncIntervalMs.least)
    this.#syncTimer = clock.after(delayMs, () => {
      const connected = mesh.connected()
      const count = Math.min(connected.length, 1 + Math.floor(random.next() * 2))
      for (let i = 0; i < count; i += 1) {
        const peer = connected[Math.floor(random.next() * connected.length)]
        if (peer) this.#want(peer)
      }
      this.#schedule()
    })
  }

  #syncSoon(peer: PeerId, delayMs: number): void {
    if (this.#stopping.signal.aborted || this.#due.has(peer)) return
    const timer = this.#options.clock.after(delayMs, () => {
      this.#due.delete(peer)
      this.#want(peer)
    })
    this.#due.set(peer, timer)
  }

  /** One session at a time: others wait their turn, each peer once. */
  #want(peer: PeerId): void {
    if (this.#stopping.signal.aborted) return
    if (this.#active !== undefined) {
      this.#wanted.add(peer)
      return
    }
    this.#active = peer
    const session = this.#session(peer).finally(() => {
      this.#sessions.delete(session)
      this.#active = undefined
      const [next] = this.#wanted
      if (next === undefined) return
      this.#wanted.delete(next)
      this.#want(next)
    })
    this.#sessions.add(session)
  }

  async #session(peer: PeerId): Promise<void> {
    try {
      const result: SyncResult = await this.#antiEntropy.sync(peer, this.#stopping.signal)
      this.#finished += 1
      if (result.isComplete) await this.#completed(peer)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      this.#failed += 1
      this.#options.logger.debug({ err: error, peer }, 'replication: a session failed')
    }
  }

  async #completed(peer: PeerId): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    this.#peers.noteSync(peer, nowMs)
    if (this.#members.length > 0) {
      const least = Math.min(...this.#members.map((member) => this.#peers.tombstones(member)))
      this.#options.replica.acknowledgeTombstones(least)
    }
    if (nowMs - this.#rememberedMs < rememberIntervalMs) return
    this.#rememberedMs = nowMs
    const times = this.#members.map((member) => [member, this.#peers.lastSyncMs(member)] as const)
    await this.#options.replica.setFact('lastSync', Object.fromEntries(times.filter(([, ms]) => ms > 0)))
  }

  /** In touch with a majority of the members, itself counted, within the time that deletions are remembered. */
  #isCurrent(): boolean {
    const since = this.#options.clock.nowMs() - this.#options.replica.retentionMs
    const fresh = this.#members.filter((member) => this.#peers.lastSyncMs(member) > since).length
    return (fresh + 1) * 2 > this.#members.length + 1
  }
}
