import { errors, StatusError } from '../../src/api/status-error.ts'
import type { Clock, Random, Timer } from '../../src/lib/clock.ts'
import type { Mesh, MeshStream, PeerId } from '../../src/mesh/mesh.ts'
import { streamPair } from './fake-mesh-stream.ts'

/** What the network does to what it carries. Broadcasts and one-way messages suffer all of it, requests only delay. */
export interface Weather {
  minDelayMs: number
  maxDelayMs: number
  /** Probabilities, each message on its own. */
  drop: number
  duplicate: number
  /** Messages that may overtake others. */
  reorder: number
}

export const fairWeather: Weather = { minDelayMs: 1, maxDelayMs: 1, drop: 0, duplicate: 0, reorder: 0 }

/** How long a lost peer is still called alive; and a lost connection still called open. */
const deathMs = 3_000
const hangUpMs = 1_000

type Handlers = {
  broadcast: ((from: PeerId, data: Uint8Array) => void)[]
  message: Map<string, (from: PeerId, data: Uint8Array) => void>
  request: Map<string, (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>>
  stream: Map<string, (from: PeerId, stream: MeshStream) => void>
  peer: ((peer: PeerId, up: boolean) => void)[]
  liveness: ((peer: PeerId, alive: boolean) => void)[]
}

interface Link {
  connected: boolean
  alive: boolean
  lastAliveMs: number
  change: Timer | undefined
  death: Timer | undefined
  streams: Set<MeshStream>
}

/** A network in memory, driven by a clock and a seed: the same seed, the same run. */
export class FakeNetwork {
  weather: Weather = { ...fairWeather }
  readonly clock: Clock
  readonly random: Random
  readonly #meshes = new Map<PeerId, FakeMesh>()
  readonly #cuts = new Set<string>()
  readonly #lastArrivalMs = new Map<string, number>()

  constructor(clock: Clock, random: Random) {
    this.clock = clock
    this.random = random
  }

  /** The mesh of one node. A peer id that is used again replaces the earlier mesh, as a restarted process does. */
  mesh(peer: PeerId): FakeMesh {
    const mesh = new FakeMesh(this, peer)
    this.#meshes.set(peer, mesh)
    return mesh
  }

  /** Lets nothing pass from one peer to another; one way only. */
  cut(from: PeerId, to: PeerId): void {
    this.#cuts.add(`${from}>${to}`)
    this.refresh()
  }

  /** Parts the peers into groups that do not hear each other. */
  partition(...groups: readonly (readonly PeerId[])[]): void {
    this.#cuts.clear()
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue
        for (const from of group) for (const to of other) this.#cuts.add(`${from}>${to}`)
      }
    }
    this.refresh()
  }

  heal(): void {
    this.#cuts.clear()
    this.refresh()
  }

  at(peer: PeerId): FakeMesh | undefined {
    return this.#meshes.get(peer)
  }

  carries(from: PeerId, to: PeerId): boolean {
    const [a, b] = [this.#meshes.get(from), this.#meshes.get(to)]
    return a?.isRunning === true && b?.isRunning === true && !this.#cuts.has(`${from}>${to}`)
  }

  linked(a: PeerId, b: PeerId): boolean {
    const [one, other] = [this.#meshes.get(a), this.#meshes.get(b)]
    return this.carries(a, b) && this.carries(b, a) && one?.knows(b) === true && other?.knows(a) === true
  }

  refresh(): void {
    for (const mesh of this.#meshes.values()) mesh.refresh([...this.#meshes.keys()])
  }

  /** Everybody whom gossip reaches from `from`, by way of others too. */
  reach(from: PeerId): PeerId[] {
    const reached = new Set([from])
    for (const peer of reached) {
      for (const next of this.#meshes.get(peer)?.connected() ?? []) if (this.carries(peer, next)) reached.add(next)
    }
    reached.delete(from)
    return [...reached]
  }

  /** `flow` keeps order among its own messages, unless the weather reorders them. */
  deliver(from: PeerId, to: PeerId, flow: string, run: (mesh: FakeMesh) => void): void {
    const { drop, duplicate } = this.weather
    if (this.random.next() < drop) return
    const copies = this.random.next() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) this.carry(from, to, flow, run)
  }

  carry(from: PeerId, to: PeerId, flow: string, run: (mesh: FakeMesh) => void): void {
    const { minDelayMs, maxDelayMs, reorder } = this.weather
    const receiver = this.#meshes.get(to)
    let atMs = this.clock.monotonicMs() + minDelayMs + this.random.next() * (maxDelayMs - minDelayMs)
    const id = `${from}>${to}>${flow}`
    if (this.random.next() >= reorder) {
      atMs = Math.max(atMs, this.#lastArrivalMs.get(id) ?? 0)
      this.#lastArrivalMs.set(id, atMs)
    }
    this.clock.after(atMs - this.clock.monotonicMs(), () => {
      if (receiver && this.#meshes.get(to) === receiver && this.carries(from, to)) run(receiver)
    })
  }
}

/** A node's end of a {@link FakeNetwork}. */
export class FakeMesh implements Mesh {
  readonly self: PeerId
  readonly handlers: Handlers = {
    broadcast: [],
    message: new Map(),
    request: new Map(),
    stream: new Map(),
    peer: [],
    liveness: [],
  }
  readonly #network: FakeNetwork
  readonly #links = new Map<PeerId, Link>()
  #members = new Set<PeerId>()
  #running = false

  constructor(network: FakeNetwork, self: PeerId) {
    this.#network = network
    this.self = self
  }

  get isRunning(): boolean {
    return this.#running
  }

  knows(peer: PeerId): boolean {
    return this.#members.has(peer)
  }

  start(): Promise<void> {
    this.#running = true
    this.#network.refresh()
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#running = false
    for (const link of this.#links.values()) {
      link.change?.cancel()
      link.death?.cancel()
      for (const stream of link.streams) stream.close()
      link.connected = false
    }
    this.#network.refresh()
    return Promise.resolve()
  }

  setMembers(members: readonly { peer: PeerId }[]): void {
    this.#members = new Set(members.map(({ peer }) => peer))
    this.#network.refresh()
  }

  /** Compares links with what the network now allows; changes take effect after the time it takes to notice. */
  refresh(peers: readonly PeerId[]): void {
    if (!this.#running) return
    for (const peer of peers) {
      if (peer === this.self) continue
      const link = this.#link(peer)
      const should = this.#network.linked(this.self, peer)
      if (should) link.death?.cancel()
      link.change?.cancel()
      link.change = undefined
      if (should === link.connected) continue
      link.change = this.#network.clock.after(should ? 1 : hangUpMs, () => this.#settle(peer, link))
    }
  }

  #settle(peer: PeerId, link: Link): void {
    const up = this.#network.linked(this.self, peer)
    link.change = undefined
    if (up === link.connected || !this.#running) return
    link.connected = up
    link.lastAliveMs = this.#network.clock.monotonicMs()
    for (const handler of this.handlers.peer) handler(peer, up)
    if (up) {
      this.#setAlive(peer, link, true)
      return
    }
    for (const stream of link.streams) stream.close(new Error(`connection to ${peer} lost`))
    link.streams.clear()
    link.death = this.#network.clock.after(deathMs - hangUpMs, () => this.#setAlive(peer, link, false))
  }

  #setAlive(peer: PeerId, link: Link, alive: boolean): void {
    if (link.alive === alive || !this.#running) return
    link.alive = alive
    for (const handler of this.handlers.liveness) handler(peer, alive)
  }

  #link(peer: PeerId): Link {
    let link = this.#links.get(peer)
    if (!link) {
      link = { connected: false, alive: false, lastAliveMs: 0, change: undefined, death: undefined, streams: new Set() }
      this.#links.set(peer, link)
    }
    return link
  }

  broadcast(data: Uint8Array): void {
    if (!this.#running) return
    const copy = data.slice()
    for (const peer of this.#network.reach(this.self)) {
      this.#network.deliver(this.self, peer, 'broadcast', (mesh) => {
        for (const handler of mesh.handlers.broadcast) handler(this.self, copy)
      })
    }
  }

  onBroadcast(handler: (from: PeerId, data: Uint8Array) => void): void {
    this.handlers.broadcast.push(handler)
  }

  send(peer: PeerId, protocol: string, data: Uint8Array): void {
    if (!this.#link(peer).connected) return
    const copy = data.slice()
    this.#network.deliver(this.self, peer, protocol, (mesh) => mesh.handlers.message.get(protocol)?.(this.self, copy))
  }

  onMessage(protocol: string, handler: (from: PeerId, data: Uint8Array) => void): void {
    this.handlers.message.set(protocol, handler)
  }

  request(
    peer: PeerId,
    protocol: string,
    body: Uint8Array,
    options: { signal?: AbortSignal; timeoutMs: number },
  ): Promise<Uint8Array> {
    if (!this.#running || !this.#link(peer).connected) {
      return Promise.reject(errors.unavailable(`no connection to ${peer}`))
    }
    const serving = new AbortController()
    const copy = body.slice()
    return new Promise((resolve, reject) => {
      const timer = this.#network.clock.after(options.timeoutMs, () => {
        over(() => reject(errors.unknownOutcome(`${peer} did not answer within ${options.timeoutMs} ms`)))
      })
      const aborted = () => over(() => reject(options.signal?.reason as Error))
      const over = (finish: () => void) => {
        timer.cancel()
        options.signal?.removeEventListener('abort', aborted)
        serving.abort()
        finish()
      }
      if (options.signal?.aborted) {
        aborted()
        return
      }
      options.signal?.addEventListener('abort', aborted)
      this.#network.carry(this.self, peer, `${protocol} request`, (mesh) => {
        void mesh.serve(this.self, protocol, copy, serving.signal).then(
          (answer) => this.#network.carry(peer, this.self, `${protocol} answer`, () => over(() => resolve(answer))),
          (error: unknown) =>
            this.#network.carry(peer, this.self, `${protocol} answer`, () => over(() => reject(statusOf(error)))),
        )
      })
    })
  }

  async serve(from: PeerId, protocol: string, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const handler = this.handlers.request.get(protocol)
    if (!handler) throw errors.unavailable(`${this.self} does not serve ${protocol}`)
    return (await handler(from, body, signal)).slice()
  }

  onRequest(
    protocol: string,
    handler: (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>,
  ): void {
    this.handlers.request.set(protocol, handler)
  }

  openStream(peer: PeerId, protocol: string, signal: AbortSignal): Promise<MeshStream> {
    signal.throwIfAborted()
    const handler = this.#network.at(peer)?.handlers.stream.get(protocol)
    if (!this.#link(peer).connected || !this.#network.linked(this.self, peer) || !handler) {
      return Promise.reject(errors.unavailable(`${peer} does not serve ${protocol}, or cannot be reached`))
    }
    const [mine, theirs] = streamPair()
    this.#link(peer).streams.add(mine)
    mine.closed.addEventListener('abort', () => this.#link(peer).streams.delete(mine))
    this.#network.carry(this.self, peer, 'stream', () => handler(this.self, theirs))
    return Promise.resolve(mine)
  }

  onStream(protocol: string, handler: (from: PeerId, stream: MeshStream) => void): void {
    this.handlers.stream.set(protocol, handler)
  }

  connected(): PeerId[] {
    if (!this.#running) return []
    return [...this.#links].filter(([, link]) => link.connected).map(([peer]) => peer)
  }

  onPeer(handler: (peer: PeerId, up: boolean) => void): void {
    this.handlers.peer.push(handler)
  }

  liveness(peer: PeerId): { alive: boolean; lastAliveMs: number } {
    const nowMs = this.#network.clock.monotonicMs()
    if (peer === this.self) return { alive: this.#running, lastAliveMs: nowMs }
    const link = this.#link(peer)
    return { alive: link.alive, lastAliveMs: link.connected ? nowMs : link.lastAliveMs }
  }

  onLiveness(handler: (peer: PeerId, alive: boolean) => void): void {
    this.handlers.liveness.push(handler)
  }
}

const statusOf = (error: unknown): StatusError =>
  error instanceof StatusError
    ? new StatusError(error.reason, error.message, error.details)
    : errors.internal(String(error))
