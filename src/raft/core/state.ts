import { newProgress, type Progress } from './progress.ts'
import type { RaftLog } from './log.ts'
import type { Message, RaftConfig, RaftId, RaftOptions, Role } from './types.ts'

/** Everything that a server knows. The functions beside this file change it; only `RaftCore` hands it out. */
export interface RaftState {
  readonly self: RaftId
  readonly options: RaftOptions
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: RaftLog

  term: number
  vote: RaftId | null
  role: Role
  leader: RaftId | null

  /** Ticks since boot. */
  tick: number
  /** The tick at which this server came back from a pause that was too long for its followers' answers to be on time. */
  resumedTick: number
  /** Ticks since a leader was heard, or since the last campaign began. */
  electionElapsed: number
  /** Drawn anew for each wait. */
  electionTimeout: number
  /** Until this tick no vote is given: a leader may count on it. Set at boot too, for promises that were forgotten. */
  promiseUntilTick: number
  heartbeatElapsed: number

  /** Candidate: answers of this election. */
  answers: Map<RaftId, boolean>
  /** This election was asked for by the old leader. */
  transferElection: boolean

  /** Leader: one for each other server of the configuration. */
  progress: Map<RaftId, Progress>
  /** Leader: bytes proposed and not yet committed. */
  uncommittedBytes: number
  /** Leader: hands over to this server; no proposals meanwhile. */
  transfer: { to: RaftId; sinceTick: number; told: boolean } | null

  snapshotWanted: { from: RaftId; index: number } | undefined
  outbox: Message[]
}

type Unaddressed<M> = M extends Message ? Omit<M, 'from' | 'term'> & { term?: number } : never

/** Queues a message; it leaves with the next Ready, after what must be stored before it. */
export function send(state: RaftState, message: Unaddressed<Message>): void {
  state.outbox.push({ term: state.term, ...message, from: state.self } as Message)
}

export const isVoter = (state: RaftState): boolean => state.log.config.voters.includes(state.self)

export function drawElectionTimeout(state: RaftState): void {
  const { electionTicks } = state.options
  state.electionElapsed = 0
  state.electionTimeout = electionTicks + Math.floor(state.random() * electionTicks)
}

/** A leader was heard: no campaign and no vote for a while. */
export function heardLeader(state: RaftState, leader: RaftId): void {
  state.leader = leader
  drawElectionTimeout(state)
  state.promiseUntilTick = state.tick + state.options.electionTicks
}

export function becomeFollower(state: RaftState, term: number, leader: RaftId | null): void {
  if (term > state.term) {
    state.term = term
    state.vote = null
  }
  state.role = 'follower'
  state.leader = leader
  state.transfer = null
  state.transferElection = false
  state.progress = new Map()
  state.answers = new Map()
  drawElectionTimeout(state)
}

/** Keeps one progress for each other member of the configuration, and none besides. */
export function alignProgress(state: RaftState): void {
  const members = membersOf(state.log.config)
  for (const id of state.progress.keys()) if (!members.includes(id)) state.progress.delete(id)
  for (const id of members) {
    if (id !== state.self && !state.progress.has(id)) {
      state.progress.set(id, newProgress(state.log.lastIndex + 1, state.tick))
    }
  }
}

export const membersOf = (config: RaftConfig): RaftId[] => [...config.voters, ...config.learners]
