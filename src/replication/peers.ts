import type { PeerId } from '../mesh/mesh.ts'

/** What this node knows of how far a peer's replica is. */
export interface PeerStatus {
  readonly peer: PeerId
  /** How old the peer's newest batch was when it came here, ms; undefined before the first. Includes clock skew. */
  readonly lagMs: number | undefined
  /** When anti-entropy with the peer last ended well, Unix ms; 0: never. */
  readonly lastSyncMs: number
  /** Broadcasts of the peer that never came. */
  readonly missedBatches: number
  /** Messages of the peer that could not be read. */
  readonly malformed: number
  /** Why nothing is exchanged with it: it speaks no version of the wire format that this node speaks. */
  readonly refusal: string | undefined
}

interface Known {
  lagMs: number | undefined
  lastSyncMs: number
  missedBatches: number
  malformed: number
  epoch: number
  sequence: number
  /** Own tombstones up to this sequence are on the peer's disk. */
  tombstones: number
  /** Not asked to acknowledge writes before this monotonic time. */
  avoidedUntilMs: number
}

/** A bound on peers that are remembered: former members too. */
const peerLimit = 10_000

/** Bookkeeping about peers. Pure but for what it holds. */
export class Peers {
  readonly #known = new Map<PeerId, Known>()

  #of(peer: PeerId): Known {
    let known = this.#known.get(peer)
    if (!known) {
      if (this.#known.size >= peerLimit) this.#known.clear()
      known = {
        lagMs: undefined,
        lastSyncMs: 0,
        missedBatches: 0,
        malformed: 0,
        epoch: 0,
        sequence: 0,
        tombstones: 0,
        avoidedUntilMs: 0,
      }
      this.#known.set(peer, known)
    }
    return known
  }

  /** Notes a batch. Returns how many before it are missing; a batch that came late or twice has none. */
  noteBatch(peer: PeerId, epoch: number, sequence: number, lagMs: number): number {
    const known = this.#of(peer)
    known.lagMs = Math.max(0, lagMs)
    if (known.epoch !== epoch) {
      known.epoch = epoch
      known.sequence = sequence
      return 0
    }
    const missing = Math.max(0, sequence - known.sequence - 1)
    known.sequence = Math.max(known.sequence, sequence)
    known.missedBatches += missing
    return missing
  }

  noteMalformed(peer: PeerId): void {
    this.#of(peer).malformed += 1
  }

  noteSync(peer: PeerId, nowMs: number): void {
    this.#of(peer).lastSyncMs = Math.max(this.#of(peer).lastSyncMs, nowMs)
  }

  lastSyncMs(peer: PeerId): number {
    return this.#of(peer).lastSyncMs
  }

  noteTombstones(peer: PeerId, sequence: number): void {
    this.#of(peer).tombstones = sequence
  }

  tombstones(peer: PeerId): number {
    return this.#of(peer).tombstones
  }

  avoid(peer: PeerId, untilMs: number): void {
    this.#of(peer).avoidedUntilMs = untilMs
  }

  isAvoided(peer: PeerId, monotonicMs: number): boolean {
    return this.#of(peer).avoidedUntilMs > monotonicMs
  }

  status(peers: readonly PeerId[], refusalOf: (peer: PeerId) => string | undefined): PeerStatus[] {
    return peers.map((peer) => {
      const { lagMs, lastSyncMs, missedBatches, malformed } = this.#of(peer)
      return { peer, lagMs, lastSyncMs, missedBatches, malformed, refusal: refusalOf(peer) }
    })
  }
}
