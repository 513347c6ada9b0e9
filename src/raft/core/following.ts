import { assert } from '../../lib/assert.ts'
import { becomeFollower, heardLeader, send, type RaftState } from './state.ts'
import type { Entry, Message, SnapshotMeta } from './types.ts'

type MessageOf<Type> = Extract<Message, { type: Type }>

/** `message.term` is this server's term, and its sender therefore the one leader of it. */
function acceptLeader(state: RaftState, from: string): void {
  assert(state.role !== 'leader', `two leaders in term ${state.term}: ${state.self} and ${from}`)
  if (state.role !== 'follower') becomeFollower(state, state.term, from)
  heardLeader(state, from)
}

export function onAppend(state: RaftState, message: MessageOf<'append'>): void {
  acceptLeader(state, message.from)
  const { log } = state
  const { from: to, tick, entries } = message
  const accepted = (index: number) =>
    send(state, { type: 'append-reply', to, ok: true, index, hintIndex: 0, hintTerm: 0, tick })
  if (message.prevIndex < log.committed) {
    // What is committed agrees with every leader: only what lies above it is of interest.
    const beyond = entries.filter((entry) => entry.index > log.committed)
    log.merge(beyond)
    const last = entries.at(-1)?.index ?? message.prevIndex
    log.commitTo(Math.min(message.commit, Math.max(last, log.committed)))
    accepted(Math.max(last, log.committed))
    return
  }
  if (!log.matches(message.prevIndex, message.prevTerm)) {
    const hint = hintFor(state, message.prevIndex, message.prevTerm)
    send(state, { type: 'append-reply', to, ok: false, index: message.prevIndex, ...hint, tick })
    return
  }
  log.merge(entries)
  const last = message.prevIndex + entries.length
  log.commitTo(Math.min(message.commit, last))
  accepted(last)
}

/** Where the leader should look next: our last entry whose term does not exceed the leader's at the refused place. */
function hintFor(state: RaftState, prevIndex: number, prevTerm: number): { hintIndex: number; hintTerm: number } {
  const { log } = state
  let index = Math.min(prevIndex, log.lastIndex)
  while (index > log.committed && (log.termAt(index) ?? 0) > prevTerm) index--
  return { hintIndex: index, hintTerm: log.termAt(index) ?? 0 }
}

export function onHeartbeat(state: RaftState, message: MessageOf<'heartbeat'>): void {
  acceptLeader(state, message.from)
  // The leader names at most what it knows to match.
  state.log.commitTo(message.commit)
  send(state, { type: 'heartbeat-reply', to: message.from, tick: message.tick })
}

export function onSnapshotNotice(state: RaftState, message: MessageOf<'snapshot'>): void {
  acceptLeader(state, message.from)
  const { log } = state
  if (message.index <= log.committed) {
    const { tick } = message
    send(state, {
      type: 'append-reply',
      to: message.from,
      ok: true,
      index: log.committed,
      hintIndex: 0,
      hintTerm: 0,
      tick,
    })
    return
  }
  state.snapshotWanted = { from: message.from, index: message.index }
}

/**
 * Takes committed entries from anyone: what is committed never changes, so it does not matter who says it. Entries
 * must follow what is committed here; a gap is refused (false).
 */
export function adopt(state: RaftState, entries: readonly Entry[]): boolean {
  const { log } = state
  const fresh = entries.filter((entry) => entry.index > log.committed)
  const [first] = fresh
  const last = fresh.at(-1)
  if (!first || !last) return true
  if (first.index !== log.committed + 1) return false
  if (last.term > state.term) becomeFollower(state, last.term, null)
  log.merge(fresh)
  log.commitTo(last.index)
  return true
}

/** Takes a snapshot of committed state from anyone. False when this server already has as much. */
export function restore(state: RaftState, snapshot: SnapshotMeta): boolean {
  const { log } = state
  if (snapshot.index <= log.committed) return false
  if (snapshot.term > state.term) becomeFollower(state, snapshot.term, null)
  log.reset(snapshot)
  state.snapshotWanted = undefined
  if (state.leader && state.leader !== state.self) {
    send(state, {
      type: 'append-reply',
      to: state.leader,
      ok: true,
      index: snapshot.index,
      hintIndex: 0,
      hintTerm: 0,
      tick: -1,
    })
  }
  return true
}
