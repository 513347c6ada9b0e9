import { RaftCore } from './raft-core.ts'
import type { Entry, HardState, Message, RaftConfig, RaftId, RaftOptions, SnapshotMeta } from './types.ts'

/** What survives a crash of one server. */
export interface Disk {
  hardState: HardState
  base: SnapshotMeta
  entries: Entry[]
}

interface Server {
  core: RaftCore | null
  disk: Disk
  /** The state machine: the terms of what was applied, by index. */
  applied: Map<number, string>
  config: Partial<RaftOptions>
}

const textOf = (entry: Entry): string =>
  `${entry.index}@${entry.term} ${entry.kind === 'data' ? new TextDecoder().decode(entry.data) : entry.kind}`

/**
 * A Raft group in one thread: cores, disks that survive crashes, and a bag of messages in flight, from which the
 * caller delivers, drops and doubles. Checks the paper's safety properties (Figure 3) as it goes.
 */
export class SimulatedGroup {
  readonly servers = new Map<RaftId, Server>()
  readonly flying: Message[] = []
  readonly leaders = new Map<number, RaftId>()
  /** What any server ever applied at an index. */
  readonly decided = new Map<number, string>()
  readonly #random: () => number

  constructor(ids: readonly RaftId[], random: () => number, options: Partial<RaftOptions> = {}, voters = ids) {
    this.#random = random
    const config: RaftConfig = { voters: [...voters], learners: [] }
    for (const id of ids) {
      const first = voters.includes(id) ? config : { voters: [], learners: [] }
      const disk: Disk = {
        hardState: { term: 0, vote: null, commit: 0 },
        base: { index: 0, term: 0, config: first },
        entries: [],
      }
      this.servers.set(id, { core: null, disk, applied: new Map(), config: options })
      this.restart(id)
    }
  }

  core(id: RaftId): RaftCore {
    const core = this.servers.get(id)?.core
    if (!core) throw new Error(`${id} is down`)
    return core
  }

  get running(): RaftId[] {
    return [...this.servers].filter(([, server]) => server.core).map(([id]) => id)
  }

  /** The leader of the highest term, if any server leads. */
  get leader(): RaftId | undefined {
    return this.running
      .filter((id) => this.core(id).status().role === 'leader')
      .toSorted((left, right) => this.core(right).status().term - this.core(left).status().term)[0]
  }

  crash(id: RaftId): void {
    const server = this.servers.get(id)
    if (server) server.core = null
  }

  restart(id: RaftId): void {
    const server = this.servers.get(id)
    if (!server || server.core) return
    const { disk } = server
    for (const index of server.applied.keys()) if (index > disk.base.index) server.applied.delete(index)
    server.core = new RaftCore({
      self: id,
      hardState: disk.hardState,
      base: disk.base,
      entries: disk.entries,
      options: server.config,
      random: this.#random,
    })
  }

  /** Does what one Ready asks. `crashAt`: dies before anything is stored, or between storing and sending. */
  handle(id: RaftId, crashAt?: 'before store' | 'after store'): void {
    const server = this.servers.get(id)
    const core = server?.core
    if (!server || !core || !core.hasReady) return
    const ready = core.ready()
    if (crashAt === 'before store') return this.crash(id)
    const { disk } = server
    if (ready.snapshot) {
      disk.base = ready.snapshot
      disk.entries = []
    }
    const [first] = ready.entries
    if (first) disk.entries = [...disk.entries.filter((entry) => entry.index < first.index), ...ready.entries]
    if (ready.hardState) disk.hardState = ready.hardState
    if (crashAt === 'after store') return this.crash(id)
    this.flying.push(...ready.messages)
    for (const entry of ready.committed) this.#apply(id, server, entry)
    core.advance()
    if (ready.snapshotWanted) this.#serveSnapshot(id, ready.snapshotWanted.from)
    this.check(id)
  }

  /** Forgets the log up to what is applied, as after taking a snapshot. */
  compact(id: RaftId): void {
    const server = this.servers.get(id)
    const core = server?.core
    if (!server || !core) return
    const { applied } = core.status()
    if (applied <= server.disk.base.index || applied > (server.disk.entries.at(-1)?.index ?? 0)) return
    server.disk.base = { index: applied, term: core.termAt(applied) ?? 0, config: core.configAt(applied) }
    server.disk.entries = server.disk.entries.filter((entry) => entry.index > applied)
    // A snapshot implies that what it covers is committed.
    server.disk.hardState = { ...server.disk.hardState, commit: Math.max(server.disk.hardState.commit, applied) }
    core.compact(applied)
  }

  deliver(at: number): void {
    const [message] = this.flying.splice(at, 1)
    if (message) this.servers.get(message.to)?.core?.step(message)
  }

  /** Runs without faults until nothing moves, at most `rounds` ticks. */
  settle(rounds: number, tick = true): void {
    for (let round = 0; round < rounds; round++) {
      if (tick) for (const id of this.running) this.core(id).tick()
      let moved = true
      while (moved) {
        moved = false
        for (const id of this.running) {
          if (!this.core(id).hasReady) continue
          moved = true
          this.handle(id)
        }
        while (this.flying.length > 0) {
          moved = true
          this.deliver(0)
        }
      }
    }
  }

  /** Election safety, log matching against what is decided, and leader completeness. */
  check(id: RaftId): void {
    const status = this.core(id).status()
    if (status.role !== 'leader') return
    const other = this.leaders.get(status.term)
    if (other !== undefined && other !== id) throw new Error(`two leaders in term ${status.term}: ${other}, ${id}`)
    this.leaders.set(status.term, id)
    for (const [index, decided] of this.decided) {
      if (Number(/@(\d+)/.exec(decided)?.[1]) > status.term) continue
      if (index <= this.core(id).baseIndex) continue
      const term = this.core(id).termAt(index)
      if (!decided.startsWith(`${index}@${term} `)) {
        throw new Error(`leader ${id} of term ${status.term} lacks ${decided}, has term ${term}`)
      }
    }
  }

  /** Log matching: two logs that agree on one entry's term agree on all before it. */
  checkLogMatching(): void {
    const ids = this.running
    for (const left of ids) {
      for (const right of ids) {
        if (left >= right) continue
        const [one, two] = [this.core(left), this.core(right)]
        const low = Math.max(one.baseIndex, two.baseIndex) + 1
        let agreed = false
        for (let index = Math.min(one.status().lastIndex, two.status().lastIndex); index >= low; index--) {
          const same = one.termAt(index) === two.termAt(index)
          if (agreed && !same) throw new Error(`logs of ${left} and ${right} agree above ${index} but not there`)
          agreed ||= same
        }
      }
    }
  }

  #apply(id: RaftId, server: Server, entry: Entry): void {
    const text = textOf(entry)
    const decided = this.decided.get(entry.index)
    if (decided !== undefined && decided !== text) throw new Error(`${id} applies ${text}, another applied ${decided}`)
    this.decided.set(entry.index, text)
    server.applied.set(entry.index, text)
  }

  #serveSnapshot(to: RaftId, from: RaftId): void {
    const source = this.servers.get(from)
    const target = this.servers.get(to)
    if (!source?.core || !target?.core) return
    const { base } = source.disk
    if (base.index > 0 && target.core.restore(base)) {
      for (const [index, text] of source.applied) if (index <= base.index) target.applied.set(index, text)
    }
  }
}
