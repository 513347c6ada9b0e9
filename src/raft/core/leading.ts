import { acknowledge, maySend, refuse, toProbe, toSnapshot, type Progress } from './progress.ts'
import { majorityValue } from './quorum.ts'
import { alignProgress, becomeFollower, isVoter, membersOf, send, type RaftState } from './state.ts'
import { entryBytes, type Entry, type Message, type RaftConfig, type RaftId } from './types.ts'

type MessageOf<Type> = Extract<Message, { type: Type }>

/** Ticks between two reminders that a follower should fetch a snapshot. */
const snapshotReminderTicks = 20

/** Ticks by which a leader gives up its lease before its followers' promise ends: clocks differ in speed. */
const leaseMarginTicks = 1

export function becomeLeader(state: RaftState): void {
  const { term } = state
  becomeFollower(state, term, state.self)
  state.role = 'leader'
  state.heartbeatElapsed = 0
  state.uncommittedBytes = 0
  alignProgress(state)
  // Entries of older terms commit only together with one of this term (§5.4.2, §8).
  appendOwn(state, { kind: 'noop', index: state.log.lastIndex + 1, term })
}

/** Adds an entry of this term to the leader's own log. It is sent with the next Ready, together with its neighbours. */
export function appendOwn(state: RaftState, entry: Entry): void {
  state.log.append([entry])
  state.uncommittedBytes += entryBytes(entry)
  if (entry.kind === 'config') alignProgress(state)
}

/** Sends every follower what it lacks, as far as its window allows. */
export function broadcastAppend(state: RaftState): void {
  for (const to of state.progress.keys()) while (sendAppend(state, to, false));
}

/**
 * Sends what `to` lacks, if its window allows it. `evenEmpty`: also when there is nothing new, to learn where it is or
 * to tell it the commit index. Returns whether more could follow at once.
 */
function sendAppend(state: RaftState, to: RaftId, evenEmpty: boolean): boolean {
  const progress = state.progress.get(to)
  if (!progress || !maySend(progress, state.options.maxInflightMessages)) return false
  const { log, options } = state
  const prevIndex = progress.next - 1
  const prevTerm = log.termAt(prevIndex)
  if (prevTerm === undefined) {
    toSnapshot(progress, log.base.index)
    send(state, { type: 'snapshot', to, index: log.base.index, tick: state.tick })
    return false
  }
  if (!evenEmpty && progress.next > log.lastIndex) return false
  const entries = progress.next > log.lastIndex ? [] : log.slice(progress.next, log.lastIndex, options.maxAppendBytes)
  send(state, { type: 'append', to, prevIndex, prevTerm, entries, commit: log.committed, tick: state.tick })
  const last = entries.at(-1)
  if (progress.mode === 'probe') {
    progress.paused = true
    return false
  }
  if (!last) return false
  progress.next = last.index + 1
  progress.inflight.push(last.index)
  return progress.next <= log.lastIndex
}

export function onAppendReply(state: RaftState, message: MessageOf<'append-reply'>): void {
  const progress = state.progress.get(message.from)
  if (state.role !== 'leader' || !progress) return
  progress.ackTick = Math.max(progress.ackTick, message.tick)
  if (!message.ok) {
    if (refuse(progress, message.index, agreement(state, message.hintIndex, message.hintTerm))) {
      sendAppend(state, message.from, true)
    }
    return
  }
  const news = acknowledge(progress, message.index)
  const agreed = progress.mode === 'probe' || (progress.mode === 'snapshot' && progress.match >= state.log.base.index)
  if (agreed) {
    progress.mode = 'replicate'
    progress.next = progress.match + 1
  }
  if (news && advanceCommit(state)) announceCommit(state)
  // While it was paused it may have missed what was committed.
  else if (agreed) sendAppend(state, message.from, true)
  while (sendAppend(state, message.from, false));
  handOverIfCaughtUp(state)
}

/**
 * The highest index at which the logs can agree, given the follower's term at `hintIndex`: everything of ours with a
 * greater term cannot be in its log there. Skips a whole term a message instead of one entry (§5.3, end).
 */
function agreement(state: RaftState, hintIndex: number, hintTerm: number): number {
  let index = Math.min(hintIndex, state.log.lastIndex)
  while (index > state.log.base.index && (state.log.termAt(index) ?? 0) > hintTerm) index--
  return index
}

/** Commits what a majority holds, if the newest such entry is of this term (§5.4.2). Returns whether that is news. */
export function advanceCommit(state: RaftState): boolean {
  const { log } = state
  const held = majorityValue(log.config.voters, (id) =>
    id === state.self ? log.stable : (state.progress.get(id)?.match ?? 0),
  )
  if (held <= log.committed || log.termAt(held) !== state.term) return false
  for (const entry of log.slice(log.committed + 1, held, Infinity)) state.uncommittedBytes -= entryBytes(entry)
  state.uncommittedBytes = Math.max(0, state.uncommittedBytes)
  return log.commitTo(held)
}

/** Tells followers at once, so that what was decided is seen everywhere without waiting for the next heartbeat. */
export function announceCommit(state: RaftState): void {
  for (const [to, progress] of state.progress) {
    if (progress.mode === 'replicate' && progress.match >= state.log.lastIndex) {
      send(state, { type: 'heartbeat', to, commit: Math.min(progress.match, state.log.committed), tick: state.tick })
    } else sendAppend(state, to, true)
  }
  // A leader that is no longer a member has done its last duty when the entry that says so is committed (thesis §4.2.2).
  if (!isVoter(state) && state.log.committed >= state.log.configIndex) becomeFollower(state, state.term, null)
}

export function sendHeartbeats(state: RaftState): void {
  state.heartbeatElapsed = 0
  for (const [to, progress] of state.progress) {
    send(state, { type: 'heartbeat', to, commit: Math.min(progress.match, state.log.committed), tick: state.tick })
    if (progress.mode === 'snapshot' && state.tick % snapshotReminderTicks < state.options.heartbeatTicks) {
      toProbe(progress)
      sendAppend(state, to, true)
    }
  }
}

export function onHeartbeatReply(state: RaftState, message: MessageOf<'heartbeat-reply'>): void {
  const progress = state.progress.get(message.from)
  if (state.role !== 'leader' || !progress) return
  progress.ackTick = Math.max(progress.ackTick, message.tick)
  progress.paused = false
  // Messages may have been lost: an append, be it empty, makes the follower say where it is.
  if (progress.inflight.length >= state.options.maxInflightMessages) progress.inflight.shift()
  if (progress.match < state.log.lastIndex || progress.mode === 'probe') sendAppend(state, message.from, true)
}

/** Tick up to which a majority is known to have heard this leader; its own present counts. */
const heardByMajorityTick = (state: RaftState, heard: (progress: Progress) => number): number =>
  majorityValue(state.log.config.voters, (id) => {
    const progress = state.progress.get(id)
    return id === state.self ? state.tick : progress ? heard(progress) : -Infinity
  })

/** False as soon as another leader may exist: no majority has promised to wait for this one (check-quorum). */
export function hasLease(state: RaftState): boolean {
  if (state.role !== 'leader' || state.transfer?.told) return false
  const heard = heardByMajorityTick(state, (progress) => progress.ackTick)
  return state.tick < heard + state.options.electionTicks - leaseMarginTicks
}

/**
 * Check-quorum: a leader that a majority does not answer gives up, so that clients look for another. One that slept has
 * no lease, but it hears first what arrived meanwhile: on a starved machine every pause would be an election otherwise.
 */
export function stepDownWithoutQuorum(state: RaftState): void {
  const answered = heardByMajorityTick(state, (progress) => Math.max(progress.ackTick, progress.sinceTick))
  const heard = Math.max(answered, state.resumedTick)
  if (state.tick >= heard + state.options.electionTicks) becomeFollower(state, state.term, null)
}

/** Begins to hand leadership to a voter; refused (false) when it is none. Given up after one election timeout. */
export function startTransfer(state: RaftState, to: RaftId): boolean {
  if (state.role !== 'leader' || to === state.self || !state.log.config.voters.includes(to)) return false
  state.transfer = { to, sinceTick: state.tick, told: false }
  sendAppend(state, to, true)
  handOverIfCaughtUp(state)
  return true
}

function handOverIfCaughtUp(state: RaftState): void {
  const { transfer } = state
  if (!transfer || transfer.told) return
  if (state.progress.get(transfer.to)?.match !== state.log.lastIndex) return
  transfer.told = true
  send(state, { type: 'timeout-now', to: transfer.to })
}

export function expireTransfer(state: RaftState): void {
  const { transfer } = state
  if (!transfer || state.tick - transfer.sinceTick < state.options.electionTicks) return
  // Once told, the other may campaign at any later time, against the lease: this term must not be led on.
  if (transfer.told) becomeFollower(state, state.term, null)
  else state.transfer = null
}

export type ConfigRefusal = 'not leader' | 'change in progress' | 'term not committed' | 'more than one voter changes'

/**
 * Single-server change (thesis §4.1) with the published correction (raft-dev, July 2015): none before an entry of
 * this term is committed, else two leaders could each add a server and commit in disjoint majorities.
 */
export function refusesConfig(state: RaftState, config: RaftConfig): ConfigRefusal | undefined {
  if (state.role !== 'leader' || state.transfer) return 'not leader'
  const { log } = state
  if (log.configIndex > log.committed) return 'change in progress'
  if (log.termAt(log.committed) !== state.term) return 'term not committed'
  const before = new Set(log.config.voters)
  const changed = new Set(config.voters).symmetricDifference(before).size
  const overlapping = config.voters.some((id) => config.learners.includes(id))
  const doubled = new Set(membersOf(config)).size !== membersOf(config).length
  if (changed > 1 || config.voters.length === 0 || overlapping || doubled) return 'more than one voter changes'
  return undefined
}
