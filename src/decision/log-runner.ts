import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { errors } from '../api/status-error.ts'
import { RaftCore } from '../raft/core/raft-core.ts'
import type { Entry, HardState, Ready, SnapshotMeta } from '../raft/core/types.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { parseExact } from '../lib/exact-json.ts'
import type { DecidedObject, DecidedSink } from '../store/decided.ts'
import { AppliedWaiters } from './applied-waiters.ts'
import { ClusterMachine, type LoggedCommand } from './cluster-machine.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import type { CommandResult } from './cluster-state.ts'
import type { LogStorage, StoredLog, StoredSnapshot } from './log-storage.ts'
import { decodeMachine, encodeMachine } from './machine-snapshot.ts'
import { PendingCommands } from './pending-commands.ts'
import { decodeMessage, encodeMessage, raftProtocol } from './raft-wire.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const noConfig = { voters: [], learners: [] }
const emptyLog: StoredLog = {
  generation: 0,
  hardState: { term: 0, vote: null, commit: 0 },
  snapshot: undefined,
  entries: [],
}
/** A commit index that was not stored yet is stored after so long without another write. */
const lazyStoreMs = 200
/** After a failed write (disk full) the same write is tried again. */
const storeRetryMs = 1_000
/** One entry must fit in a mesh message. */
const maxCommandBytes = 3 * 1024 * 1024

export interface LogRunnerParts {
  mesh: Mesh
  storage: LogStorage
  sink: DecidedSink
  clock: Clock
  random: Random
  logger: Logger
  self: { node: string; peer: string }
  config: DecisionLogConfig
}

/** What others in this folder hear from the runner. */
export interface LogRunnerHooks {
  /** After each step in which something may have changed: role, leader, applied entries. */
  changed(): void
  membersChanged(): void
  /** A leader says that its log no longer has what this node lacks, or a node of a higher generation was heard. */
  snapshotWanted(from: string): void
}

/**
 * Gives the Raft core its clock, disk and network, and applies what it commits: store, send, apply, in that order.
 * One loop; while it waits for the disk, everything that arrives gathers for the next write.
 */
export class LogRunner {
  core: RaftCore
  machine: ClusterMachine
  generation: number
  appliedIndex: number
  lastLeaderContactMs: number
  readonly pending = new PendingCommands()
  readonly #parts: LogRunnerParts
  readonly #hooks: LogRunnerHooks
  #timer: Timer | undefined
  #lastTickMs = 0
  #running: Promise<void> | undefined
  #stopped = false
  /** The disk refuses writes: no part in the group until it takes them again. */
  #storeFailing = false
  /** Stored with the next write. */
  #lazy: { hardState: HardState; sinceMs: number } | undefined
  #restoring: StoredSnapshot | undefined
  #snapshotting = false
  #sinceSnapshot = { entries: 0, bytes: 0 }
  readonly #waiters: AppliedWaiters

  constructor(parts: LogRunnerParts, hooks: LogRunnerHooks) {
    this.#parts = parts
    this.#hooks = hooks
    this.#waiters = new AppliedWaiters(parts.clock)
    const stored = parts.storage.load() ?? emptyLog
    this.generation = stored.generation
    this.machine = stored.snapshot ? decodeMachine(stored.snapshot.chunks) : new ClusterMachine()
    this.core = this.#newCore(stored)
    this.appliedIndex = stored.snapshot?.meta.index ?? 0
    if (stored.snapshot) this.machine.applyConfig(stored.snapshot.meta.config)
    this.lastLeaderContactMs = -Infinity
  }

  #newCore({ hardState, snapshot, entries }: StoredLog): RaftCore {
    const base: SnapshotMeta = snapshot?.meta ?? { index: 0, term: 0, config: noConfig }
    const { self, random } = this.#parts
    const options = { electionTicks: this.#parts.config.electionTicks }
    return new RaftCore({ self: self.peer, hardState, base, entries, options, random: () => random.next() })
  }

  async start(): Promise<void> {
    const { mesh, clock, sink, self, logger } = this.#parts
    mesh.onMessage(raftProtocol, (from, data) => this.#receive(from, data))
    mesh.onLiveness((peer, alive) => {
      if (!alive && peer === this.core.leader) this.core.suspectLeader()
    })
    mesh.onPeer((peer, up) => {
      if (!up && peer === this.core.leader) this.core.suspectLeader()
    })
    sink.applyDecided(this.machine.objects.values())
    this.#lastTickMs = clock.monotonicMs()
    // Nobody else can lead: why wait for an election timeout.
    const { voters } = this.core.config
    if (voters.length === 1 && voters[0] === self.peer) this.core.campaign()
    logger.info({ appliedIndex: this.appliedIndex, voters, generation: this.generation }, 'decision log opened')
    this.#armTick()
    this.wake()
    await this.#running
    this.#hooks.membersChanged()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
    this.pending.failAll(errors.unknownOutcome('this node is stopping, the outcome of the write is unknown'))
    this.#waiters.endAll()
    if (this.#lazy) await this.#parts.storage.write({ hardState: this.#lazy.hardState }).catch(() => {})
  }

  /** True while this node leads, surely alone, and has applied all that was committed before its term. */
  get leads(): boolean {
    const { core } = this
    return core.role === 'leader' && core.termAt(this.appliedIndex) === core.term && core.hasLease() && !this.#stopped
  }

  /**
   * Puts a command into the log; on the leader only. Resolves when it is applied here. Rejects with 503 when it is
   * surely not in the log, with 504 when nobody knows.
   */
  propose(logged: LoggedCommand): Promise<CommandResult> {
    if (this.pending.size >= this.#parts.config.maxPendingCommands) {
      return Promise.reject(errors.unavailable('too many writes are waiting to be decided'))
    }
    const data = encoder.encode(JSON.stringify(logged))
    if (data.length > maxCommandBytes) return Promise.reject(errors.badRequest('write is too large for the log'))
    const at = this.core.propose(data)
    if (!at) return Promise.reject(errors.unavailable('the leader takes no writes now'))
    const result = this.pending.add(logged.id, at)
    this.wake()
    return result
  }

  /** Stores the commit index, so that a crash from now on does not take this node back behind what it has applied. */
  async storeCommit(): Promise<void> {
    while (this.#running) await this.#running
    if (!this.#lazy || this.#stopped) return
    const { hardState } = this.#lazy
    this.#lazy = undefined
    // In the loop's place: it must not store a newer vote meanwhile.
    const stored = this.#parts.storage.write({ hardState })
    this.#running = stored.then(
      () => this.#freed(),
      () => this.#freed(),
    )
    await stored
  }

  #freed(): void {
    this.#running = undefined
    if (this.core.hasReady && !this.#storeFailing) this.wake()
  }

  /** Resolves when the entry at `index` is applied here, after `timeoutMs`, when the signal is aborted, or the runner stops. */
  untilApplied(index: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.appliedIndex >= index || this.#stopped || signal.aborted) return Promise.resolve()
    return this.#waiters.until(index, signal, timeoutMs)
  }

  /** Counts the time that passed since the last tick, of which a paused process does not know yet. */
  catchUpWithTime(): void {
    if (!this.#stopped) this.#tick()
  }

  heardLeader(atMs: number): void {
    this.lastLeaderContactMs = Math.max(this.lastLeaderContactMs, atMs)
  }

  /** Installs a snapshot of committed state that was fetched from another node. */
  install(snapshot: StoredSnapshot): void {
    if (!this.core.restore(snapshot.meta)) return
    this.#restoring = snapshot
    this.wake()
  }

  /** Throws away everything of an older generation, and goes on from a snapshot of a newer one. */
  async adoptGeneration(generation: number, snapshot: StoredSnapshot): Promise<void> {
    if (generation <= this.generation) return
    this.generation = generation
    await this.#running
    const { meta } = snapshot
    const stored: StoredLog = {
      generation,
      hardState: { term: meta.term, vote: null, commit: meta.index },
      snapshot,
      entries: [],
    }
    await this.#parts.storage.write(stored)
    this.#lazy = undefined
    this.pending.failAll(errors.unknownOutcome('the cluster was recovered by force, the outcome is unknown'))
    this.core = this.#newCore(stored)
    this.#installMachine(snapshot)
    this.wake()
  }

  wake(): void {
    if (this.#running || this.#stopped) return
    // In the next microtask: what arrives together is stored together.
    this.#running = Promise.resolve()
      .then(() => this.#loop())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#freed())
  }

  async #loop(): Promise<void> {
    while (!this.#stopped && this.core.hasReady) {
      const { core } = this
      const ready = core.ready()
      await this.#store(ready)
      if (this.#stopped) return
      for (const message of ready.messages) {
        this.#parts.mesh.send(message.to, raftProtocol, encodeMessage(this.generation, message))
      }
      this.#apply(ready)
      core.advance()
      if (ready.snapshotWanted) this.#hooks.snapshotWanted(ready.snapshotWanted.from)
      this.#waiters.wake(this.appliedIndex)
      this.#hooks.changed()
      this.#snapshotWhenDue()
    }
  }

  async #store(ready: Ready): Promise<void> {
    const { storage, clock, logger } = this.#parts
    if (!ready.sync) {
      if (ready.hardState) this.#lazy ??= { hardState: ready.hardState, sinceMs: clock.monotonicMs() }
      if (ready.hardState && this.#lazy) this.#lazy.hardState = ready.hardState
      return
    }
    const snapshot = ready.snapshot && this.#restoring
    const hardState = ready.hardState ?? this.#lazy?.hardState
    while (!this.#stopped) {
      try {
        await storage.write({ snapshot, entries: ready.entries, hardState })
        this.#lazy = undefined
        this.#storeFailing = false
        return
      } catch (error) {
        this.#storeFailing = true
        logger.error({ err: error }, 'the decision log cannot be written: this node takes no part until it can')
        await new Promise<void>((resolve) => clock.after(storeRetryMs, resolve))
      }
    }
  }

  #apply(ready: Ready): void {
    if (ready.snapshot && this.#restoring?.meta.index === ready.snapshot.index) {
      this.#installMachine(this.#restoring)
      this.#restoring = undefined
    }
    const objects: DecidedObject[] = []
    let membersChanged = false
    for (const entry of ready.committed) {
      // A snapshot may have overtaken entries that were handed out before it.
      if (entry.index <= this.appliedIndex) continue
      membersChanged = this.#applyEntry(entry, objects) || membersChanged
    }
    if (objects.length > 0) this.#parts.sink.applyDecided(objects)
    if (membersChanged) this.#hooks.membersChanged()
  }

  #applyEntry(entry: Entry, objects: DecidedObject[]): boolean {
    this.appliedIndex = entry.index
    this.#sinceSnapshot.entries += 1
    let changed = false
    let result: CommandResult | undefined
    if (entry.kind === 'config') changed = this.machine.applyConfig(entry.config)
    if (entry.kind === 'data') {
      this.#sinceSnapshot.bytes += entry.data.length
      const applied = this.machine.apply(parseExact(decoder.decode(entry.data)) as LoggedCommand, entry.index)
      if (applied.object) objects.push(applied.object)
      changed = applied.membersChanged ?? false
      result = applied.result
      // A new member may be a voter already: it joined anew under its old identity.
      if (changed) this.machine.applyConfig(this.core.configAt(entry.index))
    }
    this.pending.applied(entry.index, entry.term, result)
    return changed
  }

  #installMachine(snapshot: StoredSnapshot): void {
    this.machine = decodeMachine(snapshot.chunks)
    this.machine.applyConfig(snapshot.meta.config)
    this.appliedIndex = snapshot.meta.index
    this.#sinceSnapshot = { entries: 0, bytes: 0 }
    this.pending.skippedTo(this.appliedIndex, this.machine.results)
    this.#parts.sink.applyDecided(this.machine.objects.values())
    this.#hooks.membersChanged()
  }

  #snapshotWhenDue(): void {
    const { snapshotEveryEntries, snapshotEveryBytes } = this.#parts.config
    const { entries, bytes } = this.#sinceSnapshot
    if (this.#snapshotting || (entries < snapshotEveryEntries && bytes < snapshotEveryBytes)) return
    this.#snapshotting = true
    this.#sinceSnapshot = { entries: 0, bytes: 0 }
    void this.takeSnapshot()
      .catch((error: unknown) => this.#parts.logger.error({ err: error }, 'snapshot of the decision log failed'))
      .finally(() => {
        this.#snapshotting = false
      })
  }

  /** Stores the state as applied now and drops the log behind it. Lets others run between the parts. */
  async takeSnapshot(): Promise<void> {
    const { core, appliedIndex: index } = this
    const term = core.termAt(index)
    if (term === undefined || index === 0) return
    const meta: SnapshotMeta = { index, term, config: core.configAt(index) }
    const chunks: Uint8Array[] = []
    for (const chunk of encodeMachine(this.machine)) {
      chunks.push(chunk)
      await new Promise<void>((resolve) => this.#parts.clock.after(0, resolve))
    }
    const { storage, config, logger } = this.#parts
    if (this.#stopped || core !== this.core || (storage.snapshotInfo()?.meta.index ?? 0) >= index) return
    await storage.compact({ meta, chunks })
    if (core !== this.core) return
    core.compact(Math.min(Math.max(core.baseIndex, index - config.trailingEntries), core.status().applied))
    logger.debug({ index, chunks: chunks.length }, 'snapshot of the decision log taken')
  }

  #receive(from: string, data: Uint8Array): void {
    if (this.#stopped || this.#storeFailing) return
    try {
      const { generation, message } = decodeMessage(data)
      if (generation > this.generation) this.#hooks.snapshotWanted(from)
      // A sender may speak for itself only; an older generation is void.
      if (generation !== this.generation || message.from !== from) return
      this.core.step(message)
    } catch (error) {
      this.#parts.logger.warn({ err: error, from }, 'message of the decision log refused')
      return
    }
    if (this.core.leader === from) this.heardLeader(this.#parts.clock.monotonicMs())
    this.wake()
  }

  #armTick(): void {
    this.#timer = this.#parts.clock.after(this.#parts.config.tickMs, () => {
      if (this.#stopped) return
      this.#tick()
      this.#armTick()
    })
  }

  #tick(): void {
    const { clock, config, storage } = this.#parts
    const nowMs = clock.monotonicMs()
    const passed = Math.floor((nowMs - this.#lastTickMs) / config.tickMs)
    if (passed <= 0) return
    this.#lastTickMs += passed * config.tickMs
    if (this.core.role === 'leader') {
      // All of them: the lease runs in real time, also while this process was paused.
      this.core.tick(passed)
      if (this.core.hasLease()) this.heardLeader(nowMs)
    } else if (!this.#storeFailing) {
      // Not all: messages of a live leader may be waiting behind this timer after a pause.
      this.core.tick(Math.min(passed, 2))
    }
    if (this.#lazy && nowMs - this.#lazy.sinceMs >= lazyStoreMs && !this.#running) {
      const { hardState } = this.#lazy
      this.#lazy = undefined
      void storage.write({ hardState }).catch(() => {})
    }
    this.#hooks.changed()
    this.wake()
  }

  /** Something that must not happen did (an entry of an unknown kind, say): this node must not go on. */
  #fail(error: unknown): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#parts.logger.error({ err: error }, 'the decision log stopped')
    this.pending.failAll(errors.unknownOutcome('the decision log of this node stopped'))
    this.#waiters.endAll()
    this.#hooks.changed()
  }
}
