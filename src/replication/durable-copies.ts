import type { Clock } from '../lib/clock.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'
import { MalformedBytes } from '../store/bytes.ts'
import type { Change, Replica } from '../store/replica.ts'
import { decodeChanges, encodeChanges } from './batch.ts'
import type { Peers } from './peers.ts'
import type { Speech } from './speech.ts'

const durableProtocol = 'stormo/store/durable/1'

/** How long a declared write waits for a peer's disk (architecture §4). */
const waitMs = 100
/** A peer that did not answer in time is not asked again for this long. */
const avoidMs = 5_000
/** Bytes for one peer at a time; more than this goes by gossip alone. */
const copyLimitBytes = 4 * 2 ** 20

/**
 * Gives every local write to one connected peer, and tells when it is on that peer's disk: a machine that burns down
 * takes next to nothing with it. Writes that come while a peer is being asked share the next request.
 */
export class DurableCopies {
  readonly #mesh: Mesh
  readonly #clock: Clock
  readonly #peers: Peers
  readonly #speech: Speech
  #waiting: { changes: readonly Change[]; resolve: () => void }[] = []
  #isAsking = false
  #turn = 0

  constructor(options: { mesh: Mesh; clock: Clock; replica: Replica; peers: Peers; speech: Speech }) {
    this.#mesh = options.mesh
    this.#clock = options.clock
    this.#peers = options.peers
    this.#speech = options.speech
    options.mesh.onRequest(durableProtocol, async (from, body) => {
      let changes: Change[]
      try {
        changes = decodeChanges(body, options.speech.own)
      } catch (error) {
        options.peers.noteMalformed(from)
        throw new MalformedBytes(`changes cannot be read: ${String(error)}`)
      }
      await options.replica.merge(changes)
      return new Uint8Array()
    })
  }

  /** Resolves once one peer has the changes on disk, or after {@link waitMs}, or at once when there is no peer. */
  copy(changes: readonly Change[]): Promise<void> {
    if (!this.#nextPeer()) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#clock.after(waitMs, done)
      function done(): void {
        timer.cancel()
        resolve()
      }
      this.#waiting.push({ changes, resolve: done })
      if (!this.#isAsking) void this.#ask()
    })
  }

  #nextPeer(): PeerId | undefined {
    const nowMs = this.#clock.monotonicMs()
    const usable = this.#mesh
      .connected()
      .filter((peer) => !this.#peers.isAvoided(peer, nowMs) && this.#speech.refusal(peer) === undefined)
    return usable[this.#turn % Math.max(1, usable.length)]
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch()
      const peer = this.#nextPeer()
      const changes = batch.flatMap((one) => one.changes)
      if (peer && changes.length > 0) {
        try {
          const body = encodeChanges(this.#speech.to(peer), changes)
          await this.#mesh.request(peer, durableProtocol, body, { timeoutMs: waitMs })
        } catch {
          this.#turn += 1
          this.#peers.avoid(peer, this.#clock.monotonicMs() + avoidMs)
        }
      }
      for (const { resolve } of batch) resolve()
    }
    this.#isAsking = false
  }

  #takeBatch(): { changes: readonly Change[]; resolve: () => void }[] {
    let bytes = 0
    let count = 0
    for (const { changes } of this.#waiting) {
      bytes += changes.reduce((sum, change) => sum + (change.type === 'document' ? change.update.length : 100), 0)
      if (count > 0 && bytes > copyLimitBytes) break
      count += 1
    }
    const batch = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    return batch
  }
}
