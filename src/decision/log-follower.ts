import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { decodeEntry, packParts, unpackParts } from './entry-codec.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import type { LogRunner } from './log-runner.ts'
import type { LogAnswer, LogRequest } from './log-server.ts'
import type { StoredSnapshot } from './log-storage.ts'
import { logProtocol } from './raft-wire.ts'

const retryMs = 250
const requestTimeoutMs = 5_000

export interface LogFollowerParts {
  mesh: Mesh
  clock: Clock
  random: Random
  logger: Logger
  runner: LogRunner
  config: DecisionLogConfig
  self: { peer: string }
  /** Peers to ask while no members are known. */
  bootstrapPeers: () => readonly string[]
}

/**
 * Follows the log by asking for what is committed: the way of every member that the leader does not send to, and of a
 * voter that has not heard a leader for long (it may have been removed, or have fallen behind).
 */
export class LogFollower {
  /** The leader, as the last node that was asked knew it. */
  leader: string | null = null
  readonly #parts: LogFollowerParts
  readonly #stopping = new AbortController()
  #task: Promise<void> | undefined
  #wanted: string | undefined
  #waiting: { timer: Timer; resolve: () => void } | undefined

  constructor(parts: LogFollowerParts) {
    this.#parts = parts
  }

  start(): void {
    this.#task = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wakeUp()
    await this.#task
  }

  /** A snapshot or newer entries are at this peer: ask it now. */
  want(peer: string): void {
    this.#wanted = peer
    this.#wakeUp()
  }

  /** The leader sends to this node by itself. */
  #isSentTo(): boolean {
    const { runner, self, clock, config } = this.#parts
    const { voters, learners } = runner.core.config
    if (!voters.includes(self.peer) && !learners.includes(self.peer)) return false
    if (runner.core.leader === self.peer) return true
    return clock.monotonicMs() - runner.lastLeaderContactMs < config.pullAfterSilenceMs
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const peer = this.#wanted ?? (this.#isSentTo() ? undefined : this.#pick())
      this.#wanted = undefined
      if (peer === undefined) {
        this.leader = null
        await this.#pause(retryMs)
        continue
      }
      try {
        await this.#pull(peer)
      } catch (error) {
        if (signal.aborted) return
        this.leader = null
        this.#parts.logger.debug({ err: error, peer }, 'could not follow the decision log at this peer')
        await this.#pause(retryMs)
      }
    }
  }

  /** A voter within reach, else any member, else who was named for the start. */
  #pick(): string | undefined {
    const { mesh, runner, random, self, bootstrapPeers } = this.#parts
    const connected = new Set(mesh.connected())
    const members = runner.machine.membership.members().filter((member) => member.peer !== self.peer)
    const voters = members.filter((member) => member.role === 'voter' && connected.has(member.peer))
    const reachable = members.filter((member) => connected.has(member.peer))
    const known = [voters, reachable, members].find((some) => some.length > 0)?.map((member) => member.peer)
    const peers = known ?? bootstrapPeers().filter((peer) => peer !== self.peer)
    return peers[Math.floor(random.next() * peers.length)]
  }

  async #pull(peer: string): Promise<void> {
    const { runner, clock, config } = this.#parts
    const sentMs = clock.monotonicMs()
    const { appliedIndex, generation } = runner
    const { header, parts } = await this.#ask<LogAnswer>(
      peer,
      { ask: 'entries', generation, from: appliedIndex + 1, holdMs: config.pullHoldMs },
      config.pullHoldMs + requestTimeoutMs,
    )
    this.leader = header.leader
    // Never later than true: as if the answer had been written the moment the request was sent.
    if (header.contactAgeMs !== null) runner.heardLeader(sentMs + header.heldMs - header.contactAgeMs)
    if (header.snapshot) {
      const { meta, chunkCount } = header.snapshot
      const snapshot: StoredSnapshot = { meta, chunks: await this.#fetch(peer, meta.index, chunkCount) }
      if (header.generation > runner.generation) await runner.adoptGeneration(header.generation, snapshot)
      else runner.install(snapshot)
      await runner.untilApplied(meta.index, this.#stopping.signal)
      return
    }
    if (parts.length === 0) return
    const entries = parts.map(decodeEntry)
    if (!runner.core.adopt(entries)) return
    runner.wake()
    await runner.untilApplied(entries.at(-1)?.index ?? 0, this.#stopping.signal)
  }

  async #fetch(peer: string, index: number, chunkCount: number): Promise<Uint8Array[]> {
    const chunks: Uint8Array[] = []
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      const { parts } = await this.#ask(peer, { ask: 'chunk', index, chunk }, requestTimeoutMs)
      const [bytes] = parts
      if (!bytes) throw new Error(`chunk ${chunk} of snapshot ${index} is empty`)
      chunks.push(new Uint8Array(bytes))
    }
    return chunks
  }

  async #ask<Header>(peer: string, request: LogRequest, timeoutMs: number) {
    const { signal } = this.#stopping
    return unpackParts<Header>(
      await this.#parts.mesh.request(peer, logProtocol, packParts(request, []), { signal, timeoutMs }),
    )
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(delayMs, () => this.#wakeUp())
      this.#waiting = { timer, resolve }
      if (this.#stopping.signal.aborted || this.#wanted !== undefined) this.#wakeUp()
    })
  }

  #wakeUp(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.timer.cancel()
    waiting?.resolve()
  }
}
