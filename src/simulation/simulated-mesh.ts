import { errors, StatusError } from '../api/status-error.ts'
import type { Timer } from '../lib/clock.ts'
import type { Mesh, MeshStream, PeerId } from '../mesh/mesh.ts'
import type { SimulatedNetwork } from './network.ts'
import type { NodeClock } from './node-clock.ts'

/** How long a lost connection still counts as open, and then a lost peer as alive. */
const hangUpMs = 1_000
const deathMs = 2_000
const connectMs = 5
/** Why a request need not be served any longer; one for all, as making an error for each takes a fiftieth of a run. */
const isOver = new Error('the request is over')

interface Link {
  isConnected: boolean
  isAlive: boolean
  lastAliveMs: number
  change: Timer | undefined
  death: Timer | undefined
}

type RequestHandler = (from: PeerId, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>

/** One life of a node's end of the {@link SimulatedNetwork}. */
export class SimulatedMesh implements Mesh {
  readonly self: PeerId
  readonly clock: NodeClock
  readonly #network: SimulatedNetwork
  readonly #links = new Map<PeerId, Link>()
  readonly #broadcastHandlers: ((from: PeerId, data: Uint8Array) => void)[] = []
  readonly #messageHandlers = new Map<string, (from: PeerId, data: Uint8Array) => void>()
  readonly #requestHandlers = new Map<string, RequestHandler>()
  readonly #peerHandlers: ((peer: PeerId, up: boolean) => void)[] = []
  readonly #livenessHandlers: ((peer: PeerId, alive: boolean) => void)[] = []
  #members = new Set<PeerId>()
  #isRunning = false

  constructor(network: SimulatedNetwork, self: PeerId, clock: NodeClock) {
    this.#network = network
    this.self = self
    this.clock = clock
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  start(): Promise<void> {
    this.#isRunning = true
    this.#network.refresh()
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#isRunning = false
    for (const link of this.#links.values()) {
      link.change?.cancel()
      link.death?.cancel()
      link.isConnected = false
    }
    this.#network.refresh()
    return Promise.resolve()
  }

  setMembers(members: readonly { peer: PeerId }[]): void {
    this.#members = new Set(members.map(({ peer }) => peer))
    this.#network.refresh()
  }

  knows(peer: PeerId): boolean {
    return this.#members.has(peer)
  }

  /** Compares links with what the network allows now; a change takes the time that it takes to notice. */
  refresh(): void {
    if (!this.#isRunning) return
    for (const peer of this.#network.peers()) {
      if (peer === this.self) continue
      const link = this.#link(peer)
      const should = this.#should(peer)
      link.change?.cancel()
      link.change = undefined
      if (should === link.isConnected) continue
      link.change = this.clock.real(should ? connectMs : hangUpMs, () => this.#settle(peer, link))
    }
  }

  #should(peer: PeerId): boolean {
    const other = this.#network.at(peer)
    return this.#network.linked(this.self, peer) && (this.knows(peer) || other?.knows(this.self) === true)
  }

  #settle(peer: PeerId, link: Link): void {
    link.change = undefined
    const isUp = this.#should(peer)
    if (isUp === link.isConnected || !this.#isRunning) return
    link.isConnected = isUp
    link.lastAliveMs = this.clock.monotonicMs()
    link.death?.cancel()
    for (const handler of this.#peerHandlers) handler(peer, isUp)
    if (isUp) this.#setAlive(peer, link, true)
    else link.death = this.clock.after(deathMs, () => this.#setAlive(peer, link, false))
  }

  #setAlive(peer: PeerId, link: Link, isAlive: boolean): void {
    if (link.isAlive === isAlive) return
    link.isAlive = isAlive
    for (const handler of this.#livenessHandlers) handler(peer, isAlive)
  }

  #link(peer: PeerId): Link {
    let link = this.#links.get(peer)
    if (!link) {
      link = { isConnected: false, isAlive: false, lastAliveMs: 0, change: undefined, death: undefined }
      this.#links.set(peer, link)
    }
    return link
  }

  broadcast(data: Uint8Array): void {
    if (!this.#isRunning) return
    for (const peer of this.#network.reach(this.self)) {
      this.#network.carry(this.self, peer, 'broadcast', '', data, (mesh, body) => {
        for (const handler of mesh.#broadcastHandlers) handler(this.self, body)
      })
    }
  }

  onBroadcast(handler: (from: PeerId, data: Uint8Array) => void): void {
    this.#broadcastHandlers.push(handler)
  }

  send(peer: PeerId, protocol: string, data: Uint8Array): void {
    if (!this.#isRunning || !this.#link(peer).isConnected) return
    this.#network.carry(this.self, peer, 'message', protocol, data, (mesh, body) => {
      mesh.#messageHandlers.get(protocol)?.(this.self, body)
    })
  }

  onMessage(protocol: string, handler: (from: PeerId, data: Uint8Array) => void): void {
    this.#messageHandlers.set(protocol, handler)
  }

  request(
    peer: PeerId,
    protocol: string,
    body: Uint8Array,
    options: { signal?: AbortSignal; timeoutMs: number },
  ): Promise<Uint8Array> {
    if (!this.#isRunning || !this.#link(peer).isConnected) {
      return Promise.reject(errors.unavailable(`no connection to ${peer}`))
    }
    const serving = new AbortController()
    return new Promise((resolve, reject) => {
      const over = (finish: () => void) => {
        timer.cancel()
        options.signal?.removeEventListener('abort', aborted)
        finish()
      }
      const giveUp = (reason: Error) =>
        over(() => {
          serving.abort(isOver)
          reject(reason)
        })
      const aborted = () => giveUp(options.signal?.reason as Error)
      const timer = this.clock.after(options.timeoutMs, () =>
        giveUp(errors.unknownOutcome(`${peer} did not answer within ${options.timeoutMs} ms`)),
      )
      if (options.signal?.aborted) return aborted()
      options.signal?.addEventListener('abort', aborted, { once: true })
      const answer = (bytes: Uint8Array, finish: (bytes: Uint8Array) => void) =>
        this.#network.carry(peer, this.self, 'answer', protocol, bytes, (_mesh, arrived) => over(() => finish(arrived)))
      this.#network.carry(this.self, peer, 'request', protocol, body, (mesh, arrived) => {
        mesh.#serve(this.self, protocol, arrived, serving.signal).then(
          (bytes) => answer(bytes, resolve),
          (error: unknown) => answer(new Uint8Array(), () => reject(statusOf(error))),
        )
      })
    })
  }

  async #serve(from: PeerId, protocol: string, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const handler = this.#requestHandlers.get(protocol)
    if (!handler) throw errors.unavailable(`${this.self} does not serve ${protocol}`)
    return handler(from, body, signal)
  }

  onRequest(protocol: string, handler: RequestHandler): void {
    this.#requestHandlers.set(protocol, handler)
  }

  openStream(peer: PeerId): Promise<MeshStream> {
    return Promise.reject(errors.unavailable(`streams to ${peer} are not simulated`))
  }

  onStream(): void {}

  connected(): PeerId[] {
    return this.#isRunning ? [...this.#links].filter(([, link]) => link.isConnected).map(([peer]) => peer) : []
  }

  onPeer(handler: (peer: PeerId, up: boolean) => void): void {
    this.#peerHandlers.push(handler)
  }

  liveness(peer: PeerId): { alive: boolean; lastAliveMs: number } {
    const nowMs = this.clock.monotonicMs()
    if (peer === this.self) return { alive: this.#isRunning, lastAliveMs: nowMs }
    const link = this.#link(peer)
    return { alive: link.isAlive, lastAliveMs: link.isConnected ? nowMs : link.lastAliveMs }
  }

  onLiveness(handler: (peer: PeerId, alive: boolean) => void): void {
    this.#livenessHandlers.push(handler)
  }
}

const statusOf = (error: unknown): StatusError =>
  error instanceof StatusError
    ? new StatusError(error.reason, error.message, error.details)
    : errors.internal(String(error))
