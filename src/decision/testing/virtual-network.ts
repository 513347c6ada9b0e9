import { errors } from '../../api/status-error.ts'
import type { Mesh, PeerId } from '../../mesh/mesh.ts'
import type { VirtualClock } from '../../lib/testing/virtual-clock.ts'

type RequestHandler = (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>

interface Station {
  messages: Map<string, (from: PeerId, data: Uint8Array) => void>
  requests: Map<string, RequestHandler>
  peerHandlers: ((peer: PeerId, up: boolean) => void)[]
  livenessHandlers: ((peer: PeerId, alive: boolean) => void)[]
}

const unused = (): never => {
  throw new Error('the decision log does not use this part of the mesh')
}

/** A network in memory under virtual time: delays, splits, loses. */
export class VirtualNetwork {
  readonly #clock: VirtualClock
  readonly #random: () => number
  readonly #stations = new Map<PeerId, Station>()
  /** Peers in different groups do not reach each other. */
  #groups = new Map<PeerId, number>()
  #lastAliveMs = new Map<PeerId, number>()
  /** Share of messages and answers that get lost. */
  loss = 0
  /** Splits go unnoticed: connections look open. */
  silent = false
  /** `from>to`: what is sent that way gets lost, and nobody is told. */
  readonly muted = new Set<string>()
  readonly sent = new Map<string, number>()

  constructor(clock: VirtualClock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  /** Only peers of one group reach each other; without groups all do. */
  split(...groups: PeerId[][]): void {
    const before = this.#pairs()
    this.#groups = new Map(groups.flatMap((group, at) => group.map((peer) => [peer, at] as const)))
    this.#tell(before)
  }

  leave(peer: PeerId): void {
    const before = this.#pairs()
    this.#lastAliveMs.set(peer, this.#clock.monotonicMs())
    this.#stations.delete(peer)
    this.#tell(before)
  }

  reaches(from: PeerId, to: PeerId): boolean {
    return this.#stations.has(from) && this.#stations.has(to) && this.#groups.get(from) === this.#groups.get(to)
  }

  join(self: PeerId): Mesh {
    const before = this.#pairs()
    const station: Station = { messages: new Map(), requests: new Map(), peerHandlers: [], livenessHandlers: [] }
    this.#stations.set(self, station)
    this.#tell(before)
    const mine = () => this.#stations.get(self) === station
    return {
      self,
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      broadcast: unused,
      onBroadcast: unused,
      openStream: unused,
      onStream: unused,
      setMembers: unused,
      send: (to, protocol, data) => {
        this.sent.set(protocol, (this.sent.get(protocol) ?? 0) + 1)
        if (mine()) this.#carry(self, to, () => this.#stations.get(to)?.messages.get(protocol)?.(self, data))
      },
      onMessage: (protocol, handler) => void station.messages.set(protocol, handler),
      request: (to, protocol, body, { signal, timeoutMs }) =>
        this.#request(self, to, protocol, body, signal, timeoutMs),
      onRequest: (protocol, handler) => void station.requests.set(protocol, handler),
      connected: () => [...this.#stations.keys()].filter((peer) => peer !== self && this.#seemsConnected(self, peer)),
      onPeer: (handler) => void station.peerHandlers.push(handler),
      liveness: (peer) => ({
        alive: this.reaches(self, peer),
        lastAliveMs: this.reaches(self, peer) ? this.#clock.monotonicMs() : (this.#lastAliveMs.get(peer) ?? 0),
      }),
      onLiveness: (handler) => void station.livenessHandlers.push(handler),
    }
  }

  #seemsConnected(from: PeerId, to: PeerId): boolean {
    return this.silent ? this.#stations.has(to) : this.reaches(from, to)
  }

  #carry(from: PeerId, to: PeerId, arrive: () => void): void {
    if (this.#random() < this.loss || this.muted.has(`${from}>${to}`)) return
    this.#clock.after(1 + this.#random() * 4, () => {
      if (this.reaches(from, to)) arrive()
    })
  }

  #request(from: PeerId, to: PeerId, protocol: string, body: Uint8Array, signal: AbortSignal | undefined, ms: number) {
    return new Promise<Uint8Array>((resolve, reject) => {
      const ended = new AbortController()
      const timer = this.#clock.after(ms, () => fail(new Error('request timed out')))
      const fail = (error: unknown) => {
        timer.cancel()
        ended.abort()
        reject(error)
      }
      signal?.addEventListener('abort', () => fail(errors.unknownOutcome('aborted')), { once: true })
      if (!this.reaches(from, to) && !this.silent) return fail(new Error('cannot be dialled'))
      this.#carry(from, to, () => {
        const handler = this.#stations.get(to)?.requests.get(protocol)
        if (!handler) return fail(new Error(`${protocol} is not served`))
        const answered = (finish: () => void) => this.#carry(to, from, finish)
        handler(from, body, ended.signal).then(
          (answer) =>
            answered(() => {
              timer.cancel()
              resolve(answer)
            }),
          (error: unknown) => answered(() => fail(error)),
        )
      })
    })
  }

  #pairs(): Set<string> {
    const peers = [...this.#stations.keys()]
    return new Set(
      peers.flatMap((from) =>
        peers.filter((to) => to !== from && this.#seemsConnected(from, to)).map((to) => `${from} ${to}`),
      ),
    )
  }

  #tell(before: ReadonlySet<string>): void {
    const after = this.#pairs()
    for (const pair of before.symmetricDifference(after)) {
      const [from = '', to = ''] = pair.split(' ')
      if (!after.has(pair)) this.#lastAliveMs.set(to, this.#clock.monotonicMs())
      for (const handler of this.#stations.get(from)?.peerHandlers ?? []) handler(to, after.has(pair))
      for (const handler of this.#stations.get(from)?.livenessHandlers ?? []) handler(to, after.has(pair))
    }
  }
}
