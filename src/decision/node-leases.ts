import { errors } from '../api/status-error.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Mesh, PeerId } from '../mesh/mesh.ts'
import { packParts, unpackParts } from './entry-codec.ts'
import type { LogRunner } from './log-runner.ts'

export const leaseProtocol = '/stormo/lease/1'

/** Between two renewals, and after one that failed. */
const renewEveryMs = 8_000
const retryMs = 1_000
const answerTimeoutMs = 4_000
/** How long a node waits for what was decided before its lease was given. */
const catchUpTimeoutMs = 8_000

interface LeaseRequest {
  generation: number
}

interface LeaseAnswer {
  /** Everything up to here was committed when the lease was given. */
  commit: number
}

export interface NodeLeasesParts {
  mesh: Mesh
  clock: Clock
  runner: LogRunner
  self: { peer: PeerId }
  /** Peer of the leader as far as known. */
  leader(): PeerId | null
}

/**
 * Who may run what must run once (architecture §5). Every node asks the leader for its lease, and counts it from the
 * moment at which it asked; the leader notes when it gave one before it answers. So whatever is lost on the way, and in
 * whichever direction, the leader never believes a lease to be over that its holder still believes in. To hear a leader
 * is not enough: one that does not hear the node would fail its pods over. All times are monotonic.
 */
export class NodeLeases {
  readonly #parts: NodeLeasesParts
  readonly #stopping = new AbortController()
  readonly #givenMs = new Map<PeerId, number>()
  #termSinceMs = 0
  #sinceMs = -Infinity
  #timer: Timer | undefined

  constructor(parts: NodeLeasesParts) {
    this.#parts = parts
    const { mesh, clock, runner } = parts
    mesh.onRequest(leaseProtocol, async (from, body) => {
      const { generation } = unpackParts<LeaseRequest>(body).header
      // After a pause the request may be read before the timer that ends the leadership.
      runner.catchUpWithTime()
      if (!runner.leads || generation !== runner.generation) throw errors.unavailable('this node gives no leases now')
      this.#givenMs.set(from, clock.monotonicMs())
      return packParts({ commit: runner.core.status().committed } satisfies LeaseAnswer, [])
    })
  }

  start(): void {
    void this.#renew()
  }

  stop(): void {
    this.#stopping.abort()
    this.#timer?.cancel()
  }

  /** What leaders before gave, nobody here knows: their leases run from now at the latest. */
  beginTerm(): void {
    this.#givenMs.clear()
    this.#termSinceMs = this.#parts.clock.monotonicMs()
  }

  /** From when this node's lease runs; −Infinity before the first. */
  get sinceMs(): number {
    const { runner, clock } = this.#parts
    if (runner.leads) this.#sinceMs = clock.monotonicMs()
    return this.#sinceMs
  }

  /** On the leader: how long ago a node's lease began, at the least; of others it says nothing. */
  ageMs(peer: PeerId | undefined): number {
    const { clock, self } = this.#parts
    if (peer === self.peer) return 0
    const givenMs = peer === undefined ? undefined : this.#givenMs.get(peer)
    return clock.monotonicMs() - Math.max(this.#termSinceMs, givenMs ?? -Infinity)
  }

  async #renew(): Promise<void> {
    const isRenewed = await this.#ask().catch(() => false)
    if (this.#stopping.signal.aborted) return
    this.#timer = this.#parts.clock.after(isRenewed ? renewEveryMs : retryMs, () => void this.#renew())
  }

  /** True when the lease was renewed, and what had been decided by then is known here. */
  async #ask(): Promise<boolean> {
    const { mesh, clock, runner, self, leader } = this.#parts
    const peer = leader()
    if (peer === null) return false
    if (peer === self.peer) return runner.leads
    const { signal } = this.#stopping
    const askedMs = clock.monotonicMs()
    const request = packParts({ generation: runner.generation } satisfies LeaseRequest, [])
    const answer = await mesh.request(peer, leaseProtocol, request, { signal, timeoutMs: answerTimeoutMs })
    const { commit } = unpackParts<LeaseAnswer>(answer).header
    await runner.untilApplied(commit, signal, catchUpTimeoutMs)
    if (runner.appliedIndex < commit) return false
    this.#sinceMs = askedMs
    return true
  }
}
