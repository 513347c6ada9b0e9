import type { Random } from '../lib/clock.ts'
import type { PeerId } from '../mesh/mesh.ts'
import type { NodeClock } from './node-clock.ts'
import { SimulatedMesh } from './simulated-mesh.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What can happen to a message. Probabilities are of each message by itself. */
export interface Weather {
  dropBroadcast: number
  dropMessage: number
  loseRequest: number
  loseAnswer: number
  duplicateBroadcast: number
  duplicateMessage: number
  reorder: number
  corrupt: number
  /** Added to every message, uniformly up to this much. */
  delayMs: number
}

export const calm: Weather = {
  dropBroadcast: 0,
  dropMessage: 0,
  loseRequest: 0,
  loseAnswer: 0,
  duplicateBroadcast: 0,
  duplicateMessage: 0,
  reorder: 0,
  corrupt: 0,
  delayMs: 0,
}

export type MessageKind = 'broadcast' | 'message' | 'request' | 'answer'

const lossOf = {
  broadcast: 'dropBroadcast',
  message: 'dropMessage',
  request: 'loseRequest',
  answer: 'loseAnswer',
} as const satisfies Record<MessageKind, keyof Weather>

/** Told of each effect that a fault had, by the name of the fault. */
export type CountHit = (fault: string) => void

const leastDelayMs = 1
const usualDelayMs = 4

/** The network of a simulated cluster. Links are one-way; what is connected is what can speak both ways. */
export class SimulatedNetwork {
  readonly time: VirtualTime
  readonly chance: Random
  readonly #countHit: CountHit
  readonly #meshes = new Map<PeerId, SimulatedMesh>()
  /** `from>to` → the fault that cut it. */
  readonly #cuts = new Map<string, string>()
  readonly #slow = new Map<string, { delayMs: number; fault: string }>()
  readonly #lastArrivalMs = new Map<string, number>()
  /** Cuts go unnoticed: connections look open. */
  isSilent = false
  weather: Weather = { ...calm }
  /** Called for each message before it leaves; true loses it with its sender's life, say. */
  onSend: ((from: PeerId, to: PeerId, kind: MessageKind, protocol: string) => boolean) | undefined

  constructor(time: VirtualTime, chance: Random, countHit: CountHit) {
    this.time = time
    this.chance = chance
    this.#countHit = countHit
  }

  /** The mesh of one life of a node; it replaces an earlier one. */
  join(peer: PeerId, clock: NodeClock): SimulatedMesh {
    const mesh = new SimulatedMesh(this, peer, clock)
    this.#meshes.set(peer, mesh)
    return mesh
  }

  at(peer: PeerId): SimulatedMesh | undefined {
    return this.#meshes.get(peer)
  }

  cut(from: PeerId, to: PeerId, fault: string): void {
    this.#cuts.set(`${from}>${to}`, fault)
    this.refresh()
  }

  slow(from: PeerId, to: PeerId, delayMs: number, fault: string): void {
    this.#slow.set(`${from}>${to}`, { delayMs, fault })
  }

  /** Takes back what one fault did to links, or what all did. */
  mend(fault?: string): void {
    for (const [link, by] of this.#cuts) if (fault === undefined || by === fault) this.#cuts.delete(link)
    for (const [link, by] of this.#slow) if (fault === undefined || by.fault === fault) this.#slow.delete(link)
    this.refresh()
  }

  isCut(from: PeerId, to: PeerId): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  linked(a: PeerId, b: PeerId): boolean {
    return this.#runs(a) && this.#runs(b) && (this.isSilent || (!this.isCut(a, b) && !this.isCut(b, a)))
  }

  #runs(peer: PeerId): boolean {
    return this.#meshes.get(peer)?.isRunning === true
  }

  peers(): PeerId[] {
    return [...this.#meshes.keys()]
  }

  refresh(): void {
    for (const mesh of this.#meshes.values()) mesh.refresh()
  }

  /** Everybody whom gossip reaches, by way of others too. */
  reach(from: PeerId): PeerId[] {
    const reached = new Set([from])
    for (const peer of reached) {
      for (const next of this.#meshes.get(peer)?.connected() ?? []) if (!this.isCut(peer, next)) reached.add(next)
    }
    reached.delete(from)
    return [...reached]
  }

  /** Carries one message, or loses, doubles, delays or spoils it. `flow` keeps the order of its own messages. */
  carry(
    from: PeerId,
    to: PeerId,
    kind: MessageKind,
    protocol: string,
    body: Uint8Array,
    run: (mesh: SimulatedMesh, body: Uint8Array) => void,
  ): void {
    if (this.onSend?.(from, to, kind, protocol)) return
    if (this.#isLost(from, to, kind)) return
    const copies = this.#isDoubled(kind) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      const carried = this.#spoil(kind, body)
      this.#schedule(from, to, `${from}>${to}>${kind}>${protocol}`, (mesh) => run(mesh, carried))
    }
  }

  #isLost(from: PeerId, to: PeerId, kind: MessageKind): boolean {
    const cutBy = kind === 'broadcast' ? undefined : this.#cuts.get(`${from}>${to}`)
    if (cutBy !== undefined) {
      this.#countHit(cutBy)
      return true
    }
    const loss = this.weather[lossOf[kind]]
    if (loss === 0 || this.chance.next() >= loss) return false
    this.#countHit(`network.lose-${kind}`)
    return true
  }

  #isDoubled(kind: MessageKind): boolean {
    const { duplicateBroadcast, duplicateMessage } = this.weather
    const rate = kind === 'broadcast' ? duplicateBroadcast : kind === 'message' ? duplicateMessage : 0
    if (rate === 0 || this.chance.next() >= rate) return false
    this.#countHit(`network.duplicate-${kind}`)
    return true
  }

  /** What arrives: nobody changes the bytes of a message, so that all who get it share them. */
  #spoil(kind: MessageKind, body: Uint8Array): Uint8Array {
    if (kind !== 'broadcast' || this.weather.corrupt === 0 || this.chance.next() >= this.weather.corrupt) return body
    this.#countHit('network.truncate-broadcast')
    return body.subarray(0, Math.floor(this.chance.next() * body.length))
  }

  #schedule(from: PeerId, to: PeerId, flow: string, run: (mesh: SimulatedMesh) => void): void {
    const receiver = this.#meshes.get(to)
    if (!receiver) return
    const { delayMs, reorder } = this.weather
    let atMs = this.time.nowMs + leastDelayMs + this.chance.next() * usualDelayMs
    if (delayMs > 0) {
      atMs += this.chance.next() * delayMs
      this.#countHit('network.delay')
    }
    const slow = this.#slow.get(`${from}>${to}`)
    if (slow) {
      atMs += slow.delayMs
      this.#countHit(slow.fault)
    }
    const before = this.#lastArrivalMs.get(flow) ?? 0
    if (reorder > 0 && this.chance.next() < reorder) {
      if (atMs < before) this.#countHit('network.reorder')
      atMs += this.chance.next() * 50
    } else {
      atMs = Math.max(atMs, before)
    }
    this.#lastArrivalMs.set(flow, Math.max(before, atMs))
    receiver.clock.real(atMs - this.time.nowMs, () => {
      if (this.#meshes.get(to) === receiver && receiver.isRunning && !this.isCut(from, to)) run(receiver)
    })
  }
}
