import { keyString, parseKey } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'
import { MalformedBytes, type ByteReader } from '../store/bytes.ts'
import { bucketCount, bucketOf, sameDigest } from '../store/digest.ts'
import { missingFrom, stateVectorOf } from '../store/document.ts'
import type { Change, Replica } from '../store/replica.ts'
import { changeBytes, decodeChanges, encodeChanges } from './batch.ts'
import { openMessage, type Speech } from './speech.ts'
import {
  decodeBuckets,
  decodeEntries,
  decodeGreeting,
  decodeGreetingAnswer,
  decodePull,
  decodePulled,
  decodeTombstones,
  encodeBuckets,
  encodeEntries,
  encodeGreeting,
  encodeGreetingAnswer,
  encodePull,
  encodePulled,
  encodeTombstones,
  hashKey,
  uidHash,
  type BucketEntries,
  type GreetingAnswer,
  type PulledItem,
  type PullItem,
} from './sync-messages.ts'
import { planSync, type SyncPlan } from './sync-plan.ts'

export const syncProtocols = {
  greet: 'stormo/store/greet/1',
  buckets: 'stormo/store/buckets/1',
  pull: 'stormo/store/pull/1',
  push: 'stormo/store/push/1',
} as const

/** Buckets compared in one round. */
const bucketLimit = 512
/** Entries in one answer: 16 bytes each. */
const entryLimit = 100_000
/** Bytes of documents in one message, about; one document may exceed it. */
const messageLimitBytes = 2 * 2 ** 20
/** Documents in one pull. */
const pullLimit = 2_000
/** Tombstones offered in one greeting. */
const tombstoneLimit = 8_192
/** Rounds of one session: what is left then is for the next. */
const roundLimit = 32
const requestTimeoutMs = 30_000

export interface AntiEntropyOptions {
  mesh: Mesh
  replica: Replica
  clock: Clock
  speech: Speech
  /** When this node last finished a session with a peer, Unix ms, 0 never; and whether it is in touch with a majority. */
  standing(peer: PeerId): { lastSyncMs: number; isCurrent: boolean }
  /** Own tombstones that a peer is known to have, as a sequence. */
  tombstones: { get(peer: PeerId): number; set(peer: PeerId, sequence: number): void }
  /** This node was away for longer than deletions are remembered: it must discard its data and join anew. */
  onStale(peer: PeerId): void
  onMalformed(peer: PeerId, error: unknown): void
}

/** What a session did. */
export interface SyncResult {
  pulled: number
  pushed: number
  /** The replicas were equal at its end, or at its start. */
  isComplete: boolean
}

/** Compares this replica with a peer's and exchanges what one of them lacks. SPEC.md holds the protocol. */
export class AntiEntropy {
  readonly #options: AntiEntropyOptions

  constructor(options: AntiEntropyOptions) {
    this.#options = options
    const serve = (protocol: string, handler: (from: PeerId, body: Uint8Array) => Promise<Uint8Array> | Uint8Array) =>
      options.mesh.onRequest(protocol, async (from, body) => {
        try {
          return await handler(from, body)
        } catch (error) {
          if (!(error instanceof MalformedBytes)) throw error
          options.onMalformed(from, error)
          throw errors.badRequest(error.message)
        }
      })
    // A question is answered in the version in which it was asked.
    const answer = (protocol: string, handler: (version: number, question: ByteReader, from: PeerId) => Uint8Array) =>
      serve(protocol, (from, body) => {
        const { reader, version } = openMessage(body, options.speech.own)
        return handler(version, reader, from)
      })
    answer(syncProtocols.greet, (version, question, from) => this.#greeted(version, question, from))
    answer(syncProtocols.buckets, (version, question) => this.#compared(version, question))
    answer(syncProtocols.pull, (version, question) => this.#pulledBy(version, question))
    serve(syncProtocols.push, (from, body) => this.#pushedBy(from, body))
  }

  /** One session with a peer. Rejects when the peer fails to answer; what was exchanged until then stays. */
  async sync(peer: PeerId, signal: AbortSignal): Promise<SyncResult> {
    const { replica } = this.#options
    const result: SyncResult = { pulled: 0, pushed: 0, isComplete: false }
    for (let round = 0; round < roundLimit; round += 1) {
      const answer = await this.#greet(peer, signal)
      if (!answer) return result
      if (sameDigest(answer.root, replica.digests.root())) return { ...result, isComplete: true }
      const differing = decodeEntries(
        await this.#ask(
          peer,
          syncProtocols.buckets,
          (version) => encodeBuckets(version, replica.digests.buckets()),
          signal,
        ),
      )
      const plan = planSync(differing, (bucket) => replica.digests.entries(bucket))
      const pulled = await this.#pull(peer, plan, signal)
      const pushed = await this.#push(peer, [...pulled.owed, ...this.#whole(plan.push)], signal)
      result.pulled += pulled.applied
      result.pushed += pushed
      // The same differences again: what one holds and the other refuses (expired, dated in the future).
      if (pulled.applied + pushed === 0) return result
    }
    return result
  }

  /** `encode` is given the version in which the peer is to be asked. */
  async #ask(
    peer: PeerId,
    protocol: string,
    encode: (version: number) => Uint8Array,
    signal: AbortSignal,
  ): Promise<ByteReader> {
    const { mesh, speech } = this.#options
    const answer = await mesh.request(peer, protocol, encode(speech.to(peer)), { signal, timeoutMs: requestTimeoutMs })
    return openMessage(answer, speech.own).reader
  }

  /** Exchanges roots, and gives the peer the tombstones that it lacks. Undefined: the two must not merge. */
  async #greet(peer: PeerId, signal: AbortSignal): Promise<GreetingAnswer | undefined> {
    const { replica, standing, tombstones, onStale } = this.#options
    const { tombstones: offered, last } = replica.tombstonesSince(tombstones.get(peer), tombstoneLimit)
    const greeting = {
      root: replica.digests.root(),
      ...standing(peer),
      tombstones: offered.map(({ uid }) => uidHash(uid)),
    }
    const answer = decodeGreetingAnswer(
      await this.#ask(peer, syncProtocols.greet, (version) => encodeGreeting(version, greeting), signal),
    )
    if (answer.isStale) {
      onStale(peer)
      return undefined
    }
    if (this.#isTooOld(greeting, answer)) return undefined
    const wanted = answer.wanted.flatMap((index) => {
      const tombstone = offered[index]
      return tombstone ? [{ type: 'tombstone', tombstone } as const] : []
    })
    for (let at = 0; at < wanted.length; at += pullLimit) {
      const part = wanted.slice(at, at + pullLimit)
      await this.#ask(peer, syncProtocols.push, (version) => encodeChanges(version, part), signal)
    }
    tombstones.set(peer, last)
    return answer
  }

  /**
   * Whether `other` was away for longer than deletions are remembered, while `one` was in touch with a majority: what
   * `other` holds may have been deleted, and nobody remembers. Two that were both away merge: neither knows better.
   */
  #isTooOld(
    one: { isCurrent: boolean; lastSyncMs: number },
    other: { isCurrent: boolean; lastSyncMs: number },
  ): boolean {
    const lastSyncMs = Math.max(one.lastSyncMs, other.lastSyncMs)
    if (!one.isCurrent || other.isCurrent || lastSyncMs === 0) return false
    return this.#options.clock.nowMs() - lastSyncMs > this.#options.replica.retentionMs
  }

  #greeted(version: number, question: ByteReader, from: PeerId): Uint8Array {
    const { replica, standing, onStale } = this.#options
    const greeting = decodeGreeting(question)
    const mine = standing(from)
    if (this.#isTooOld(greeting, mine)) onStale(from)
    const wanted: number[] = []
    const known = greeting.tombstones.length > 0 ? this.#tombstoneHashes() : new Set<string>()
    greeting.tombstones.forEach((hash, index) => {
      if (!known.has(hashKey(hash))) wanted.push(index)
    })
    const isStale = this.#isTooOld(mine, greeting)
    return encodeGreetingAnswer(version, { root: replica.digests.root(), ...mine, isStale, wanted })
  }

  #tombstoneHashes(): Set<string> {
    const { tombstones } = this.#options.replica.tombstonesSince(0, Infinity)
    return new Set(tombstones.map(({ uid }) => hashKey(uidHash(uid))))
  }

  #compared(version: number, question: ByteReader): Uint8Array {
    const { digests } = this.#options.replica
    const answer: BucketEntries[] = []
    let total = 0
    for (const bucket of digests.differing(decodeBuckets(question)).slice(0, bucketLimit)) {
      const entries = digests.entries(bucket).map(({ uid, digest }) => ({ hash: uidHash(uid), digest }))
      total += entries.length
      if (total > entryLimit && answer.length > 0) break
      answer.push({ bucket, entries })
    }
    return encodeEntries(version, answer)
  }

  /** Fetches what the plan asks for; `owed` is what the peer turned out to lack of the same documents. */
  async #pull(peer: PeerId, plan: SyncPlan, signal: AbortSignal): Promise<{ applied: number; owed: Change[] }> {
    const { replica } = this.#options
    const owed: Change[] = []
    let applied = 0
    let waiting = plan.pull
    while (waiting.length > 0) {
      const asked = waiting.slice(0, pullLimit)
      const items = asked.map(({ hash, uid }): PullItem => {
        const own = uid === undefined ? undefined : replica.document(uid)
        return { hash, stateVector: own ? stateVectorOf(own.encoded) : new Uint8Array() }
      })
      const answer = decodePulled(
        await this.#ask(peer, syncProtocols.pull, (version) => encodePull(version, items), signal),
      )
      const changes = answer.documents.map(({ uid, key, update }): Change => {
        return { type: 'document', key: parseKey(key), uid, update }
      })
      applied += (await replica.merge(changes)).applied
      for (const document of answer.documents) this.#oweOf(document, asked[document.index]?.peerDigest, owed)
      waiting = waiting.slice(Math.max(1, answer.answered))
    }
    return { applied, owed }
  }

  #oweOf({ uid, stateVector }: PulledItem, peerDigest: { hi: number; lo: number } | undefined, owed: Change[]): void {
    const { replica } = this.#options
    const tombstone = replica.tombstone(uid)
    if (tombstone) {
      owed.push({ type: 'tombstone', tombstone })
      return
    }
    const own = replica.document(uid)
    const digest = replica.digests.entries(bucketOf(uid)).find((entry) => entry.uid === uid)?.digest
    if (!own || !digest || (peerDigest && sameDigest(digest, peerDigest))) return
    owed.push({ type: 'document', key: own.key, uid, update: missingFrom(own.encoded, stateVector) })
  }

  #whole(uids: readonly string[]): Change[] {
    return uids.flatMap((uid): Change[] => {
      const own = this.#options.replica.document(uid)
      return own ? [{ type: 'document', key: own.key, uid, update: own.encoded }] : []
    })
  }

  async #push(peer: PeerId, changes: readonly Change[], signal: AbortSignal): Promise<number> {
    let at = 0
    while (at < changes.length) {
      const part: Change[] = []
      for (let bytes = 0; at < changes.length && part.length < pullLimit; at += 1) {
        const change = changes[at]
        if (!change) break
        bytes += changeBytes(change)
        if (part.length > 0 && bytes > messageLimitBytes) break
        part.push(change)
      }
      const dead = decodeTombstones(
        await this.#ask(peer, syncProtocols.push, (version) => encodeChanges(version, part), signal),
      )
      await this.#options.replica.merge(dead.map((tombstone) => ({ type: 'tombstone', tombstone })))
    }
    return changes.length
  }

  #pulledBy(version: number, question: ByteReader): Uint8Array {
    const { replica } = this.#options
    const documents: PulledItem[] = []
    const items = decodePull(question)
    const uids = new Map<string, string>()
    for (const bucket of new Set(items.map(({ hash }) => hash.lo % bucketCount))) {
      for (const { uid } of replica.digests.entries(bucket)) uids.set(hashKey(uidHash(uid)), uid)
    }
    let bytes = 0
    let answered = 0
    for (const [index, { hash, stateVector }] of items.entries()) {
      if (bytes > messageLimitBytes) break
      answered += 1
      const uid = uids.get(hashKey(hash))
      const own = uid === undefined ? undefined : replica.document(uid)
      if (!own || uid === undefined) continue
      const update = stateVector.length > 0 ? this.#missing(own.encoded, stateVector) : own.encoded
      bytes += update.length
      documents.push({ index, uid, key: keyString(own.key), update, stateVector: stateVectorOf(own.encoded) })
    }
    return encodePulled(version, { documents, answered })
  }

  #missing(encoded: Uint8Array, stateVector: Uint8Array): Uint8Array {
    try {
      return missingFrom(encoded, stateVector)
    } catch {
      throw new MalformedBytes('a state vector cannot be read')
    }
  }

  async #pushedBy(from: PeerId, body: Uint8Array): Promise<Uint8Array> {
    const { replica, speech } = this.#options
    let changes: Change[]
    try {
      changes = decodeChanges(body, speech.own)
    } catch (error) {
      throw new MalformedBytes(`pushed changes cannot be read: ${String(error)}`)
    }
    await replica.merge(changes)
    const dead = changes.flatMap((change) => {
      const tombstone = change.type === 'document' ? replica.tombstone(change.uid) : undefined
      return tombstone ? [tombstone] : []
    })
    return encodeTombstones(speech.to(from), dead)
  }
}
