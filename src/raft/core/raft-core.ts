import { assert, unreachable } from '../../lib/assert.ts'
import { campaign, onPreVote, onPreVoteReply, onVote, onVoteReply, preCampaign, promisedToLeader } from './election.ts'
import { adopt, onAppend, onHeartbeat, onSnapshotNotice, restore } from './following.ts'
import {
  advanceCommit,
  announceCommit,
  appendOwn,
  broadcastAppend,
  expireTransfer,
  hasLease,
  onAppendReply,
  onHeartbeatReply,
  refusesConfig,
  sendHeartbeats,
  startTransfer,
  stepDownWithoutQuorum,
  type ConfigRefusal,
} from './leading.ts'
import { RaftLog } from './log.ts'
import { becomeFollower, drawElectionTimeout, send, type RaftState } from './state.ts'
import {
  defaultRaftOptions,
  entryBytes,
  type Entry,
  type HardState,
  type Message,
  type RaftConfig,
  type RaftId,
  type RaftOptions,
  type Ready,
  type Role,
  type SnapshotMeta,
} from './types.ts'

/** What a server has on disk when it starts. A new one that knows nobody: everything zero, no voters. */
export interface RaftBoot {
  readonly self: RaftId
  readonly hardState: HardState
  /** The snapshot that the log begins after; for none: index 0, term 0 and the first configuration. */
  readonly base: SnapshotMeta
  readonly entries: readonly Entry[]
  readonly options?: Partial<RaftOptions>
  /** Uniform in [0, 1); draws the election timeouts. */
  readonly random: () => number
}

export interface RaftStatus {
  readonly self: RaftId
  readonly role: Role
  readonly leader: RaftId | null
  readonly term: number
  readonly lastIndex: number
  readonly committed: number
  readonly applied: number
  readonly config: RaftConfig
  /** The configuration in force is itself committed. */
  readonly configCommitted: boolean
  /** Leader only: highest index on each other server's disk, and ticks since it was heard (Infinity: never). */
  readonly progress: ReadonlyMap<RaftId, { readonly match: number; readonly silentTicks: number }>
}

/**
 * One Raft server as a pure state machine: messages and ticks go in, a {@link Ready} comes out. No clock, chance,
 * disk or network. See SPEC.md for what holds.
 */
export class RaftCore {
  readonly #state: RaftState
  #storedHardState: HardState
  /** A snapshot that was restored and not yet handed out. */
  #snapshot: SnapshotMeta | undefined
  #pending: Ready | undefined

  constructor(boot: RaftBoot) {
    const options = { ...defaultRaftOptions, ...boot.options }
    this.#storedHardState = boot.hardState
    this.#state = {
      self: boot.self,
      options,
      random: boot.random,
      log: new RaftLog(boot.base, boot.entries, boot.hardState.commit),
      term: boot.hardState.term,
      vote: boot.hardState.vote,
      role: 'follower',
      leader: null,
      tick: 0,
      resumedTick: 0,
      electionElapsed: 0,
      electionTimeout: 0,
      promiseUntilTick: boot.hardState.term > 0 ? options.electionTicks : 0,
      heartbeatElapsed: 0,
      answers: new Map(),
      transferElection: false,
      progress: new Map(),
      uncommittedBytes: 0,
      transfer: null,
      snapshotWanted: undefined,
      outbox: [],
    }
    drawElectionTimeout(this.#state)
  }

  /**
   * `count` ticks have passed, told at once: this server slept. A leader must be told all of them, for its lease has run
   * on; a follower may be told fewer.
   */
  tick(count = 1): void {
    const state = this.#state
    if (count >= state.options.electionTicks / 2) state.resumedTick = state.tick + count
    for (let passed = 0; passed < count; passed++) {
      state.tick += 1
      if (state.role === 'leader') {
        stepDownWithoutQuorum(state)
        expireTransfer(state)
        state.heartbeatElapsed += 1
      } else {
        state.electionElapsed += 1
        if (state.electionElapsed >= state.electionTimeout) {
          drawElectionTimeout(state)
          state.leader = null
          preCampaign(state)
        }
      }
    }
    if (state.role === 'leader' && state.heartbeatElapsed >= state.options.heartbeatTicks) sendHeartbeats(state)
  }

  /** Takes one message. It may be late, doubled or from a server that is no member. */
  step(message: Message): void {
    const state = this.#state
    if (message.to !== state.self) return
    if (message.term > state.term && !this.#followsTerm(message)) return
    if (message.term < state.term) {
      this.#answerStale(message)
      return
    }
    switch (message.type) {
      case 'pre-vote':
        return onPreVote(state, message)
      case 'vote':
        return onVote(state, message)
      case 'pre-vote-reply':
        return onPreVoteReply(state, message)
      case 'vote-reply':
        return onVoteReply(state, message)
      case 'append':
        return onAppend(state, message)
      case 'heartbeat':
        return onHeartbeat(state, message)
      case 'snapshot':
        return onSnapshotNotice(state, message)
      case 'append-reply':
        return onAppendReply(state, message)
      case 'heartbeat-reply':
        return onHeartbeatReply(state, message)
      case 'timeout-now':
        return campaign(state, true)
      default:
        return unreachable(message)
    }
  }

  /** A higher term: follow it, unless the message only asks about an election. False: ignore the message. */
  #followsTerm(message: Message): boolean {
    const state = this.#state
    if (message.type === 'pre-vote') return true
    if (message.type === 'pre-vote-reply' && message.granted) return true
    if (message.type === 'vote' && !message.transfer && promisedToLeader(state)) return false
    const fromLeader = message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot'
    becomeFollower(state, message.term, fromLeader ? message.from : null)
    return true
  }

  /**
   * A lower term. With pre-vote, a server cut off in a higher term could not make itself heard: an old leader is told
   * of the new term, and so is one that would campaign with an old one.
   */
  #answerStale(message: Message): void {
    const to = message.from
    if (message.type === 'pre-vote') send(this.#state, { type: 'pre-vote-reply', to, granted: false })
    if (message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot') {
      send(this.#state, { type: 'append-reply', to, ok: false, index: 0, hintIndex: 0, hintTerm: 0, tick: -1 })
    }
  }

  /** Adds an entry to the log of a leader; its position, or undefined when this server may not or cannot take it. */
  propose(data: Uint8Array): { index: number; term: number } | undefined {
    const state = this.#state
    if (state.role !== 'leader' || state.transfer) return undefined
    const entry: Entry = { kind: 'data', index: state.log.lastIndex + 1, term: state.term, data }
    const full = state.uncommittedBytes + entryBytes(entry) > state.options.maxUncommittedBytes
    if (full && state.uncommittedBytes > 0) return undefined
    appendOwn(state, entry)
    return { index: entry.index, term: entry.term }
  }

  /** Proposes the next configuration, which differs from the present one by one voter at most. */
  proposeConfig(config: RaftConfig): { index: number; term: number } | { refused: ConfigRefusal } {
    const state = this.#state
    const refused = refusesConfig(state, config)
    if (refused) return { refused }
    const entry: Entry = { kind: 'config', index: state.log.lastIndex + 1, term: state.term, config }
    appendOwn(state, entry)
    return { index: entry.index, term: entry.term }
  }

  /** Committed entries from any server. False: they leave a gap. */
  adopt(entries: readonly Entry[]): boolean {
    return this.#state.role === 'leader' ? true : adopt(this.#state, entries)
  }

  /** A snapshot from any server. False: this server has as much already. */
  restore(snapshot: SnapshotMeta): boolean {
    if (this.#state.role === 'leader' || !restore(this.#state, snapshot)) return false
    this.#snapshot = snapshot
    return true
  }

  /** Asks for votes at once; for the only voter of a group, and for tests. */
  campaign(): void {
    preCampaign(this.#state)
  }

  /** The leader is believed dead: campaign as soon as the promise to it has run out, not later. */
  suspectLeader(): void {
    const state = this.#state
    if (state.role !== 'follower') return
    const spread = Math.floor(state.random() * state.options.heartbeatTicks * 2)
    state.electionTimeout = Math.min(state.electionTimeout, state.options.electionTicks + spread)
  }

  /** Hands leadership to a voter. False when this server does not lead or `to` is no other voter. */
  transfer(to: RaftId): boolean {
    return startTransfer(this.#state, to)
  }

  /** Forgets entries up to `index` (applied ones only); call once a snapshot of at least that index is stored. */
  compact(index: number): void {
    this.#state.log.compact(index)
  }

  /** True while this server leads and no other can: a majority has promised to wait for it. */
  hasLease(): boolean {
    return hasLease(this.#state)
  }

  /**
   * Applied entries from `from` on, at least one, then as many as fit in `maxBytes`. Empty: nothing newer is applied
   * here; undefined: they are compacted, a snapshot is needed.
   */
  committedEntries(from: number, maxBytes: number): Entry[] | undefined {
    const { log } = this.#state
    if (from <= log.base.index) return undefined
    return from > log.applied ? [] : log.slice(from, log.applied, maxBytes)
  }

  configAt(index: number): RaftConfig {
    return this.#state.log.configAt(index)
  }

  termAt(index: number): number | undefined {
    return this.#state.log.termAt(index)
  }

  get role(): Role {
    return this.#state.role
  }

  get leader(): RaftId | null {
    return this.#state.leader
  }

  get term(): number {
    return this.#state.term
  }

  /** The configuration in force, committed or not. */
  get config(): RaftConfig {
    return this.#state.log.config
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex
  }

  /** Index before the oldest entry kept in memory. */
  get baseIndex(): number {
    return this.#state.log.base.index
  }

  /** Whether an entry of the present term is committed: a leader then knows all that was committed before it. */
  get termCommitted(): boolean {
    const { log, term } = this.#state
    return log.termAt(log.committed) === term
  }

  get hasReady(): boolean {
    if (this.#pending) return false
    const { log, outbox, snapshotWanted } = this.#state
    return (
      outbox.length > 0 ||
      this.#snapshot !== undefined ||
      log.stable < log.lastIndex ||
      log.applied < log.committed ||
      snapshotWanted !== undefined ||
      !sameHardState(this.#hardState(), this.#storedHardState)
    )
  }

  /** What to do next. Must be answered by {@link advance} before the next call; steps and ticks may come between. */
  ready(): Ready {
    assert(!this.#pending, 'ready() again before advance()')
    const state = this.#state
    const { log } = state
    if (state.role === 'leader') broadcastAppend(state)
    const hardState = this.#hardState()
    const changed = !sameHardState(hardState, this.#storedHardState)
    const entries = log.stable < log.lastIndex ? log.slice(log.stable + 1, log.lastIndex, Infinity) : []
    const committed =
      log.applied < log.committed ? log.slice(log.applied + 1, log.committed, state.options.maxCommittedBytes) : []
    const voted = hardState.term !== this.#storedHardState.term || hardState.vote !== this.#storedHardState.vote
    this.#pending = {
      snapshot: this.#snapshot,
      entries,
      hardState: changed ? hardState : undefined,
      sync: voted || entries.length > 0 || this.#snapshot !== undefined,
      messages: state.outbox,
      committed,
      snapshotWanted: state.snapshotWanted,
    }
    state.outbox = []
    state.snapshotWanted = undefined
    this.#snapshot = undefined
    return this.#pending
  }

  /** Everything that the last Ready asked for is done. */
  advance(): void {
    const ready = this.#pending
    assert(ready, 'advance() without ready()')
    this.#pending = undefined
    const state = this.#state
    if (ready.hardState) this.#storedHardState = ready.hardState
    const applied = ready.committed.at(-1)
    // A snapshot restored meanwhile may have overtaken what was handed out.
    if (applied) state.log.applied = Math.max(state.log.applied, applied.index)
    const stored = ready.entries.at(-1)
    if (!stored) return
    state.log.stableTo(stored.index, stored.term)
    if (state.role === 'leader' && advanceCommit(state)) announceCommit(state)
  }

  status(): RaftStatus {
    const state = this.#state
    const { log } = state
    return {
      self: state.self,
      role: state.role,
      leader: state.leader,
      term: state.term,
      lastIndex: log.lastIndex,
      committed: log.committed,
      applied: log.applied,
      config: log.config,
      configCommitted: log.configIndex <= log.committed,
      progress: new Map(
        [...state.progress].map(([id, { match, ackTick }]) => [id, { match, silentTicks: state.tick - ackTick }]),
      ),
    }
  }

  #hardState(): HardState {
    const { term, vote, log } = this.#state
    return { term, vote, commit: log.committed }
  }
}

const sameHardState = (left: HardState, right: HardState): boolean =>
  left.term === right.term && left.vote === right.vote && left.commit === right.commit
