import { tally } from './quorum.ts'
import { becomeLeader } from './leading.ts'
import { becomeFollower, drawElectionTimeout, isVoter, send, type RaftState } from './state.ts'
import type { Message } from './types.ts'

type MessageOf<Type> = Extract<Message, { type: Type }>

/**
 * Asks whether an election could be won, without disturbing anyone: no term is raised and no vote is spent
 * (Ongaro's thesis §9.6). A server that is no voter never campaigns.
 */
export function preCampaign(state: RaftState): void {
  if (state.role === 'leader' || !isVoter(state)) return
  becomeFollower(state, state.term, null)
  state.role = 'pre-candidate'
  ask(state, 'pre-vote', state.term + 1)
}

/** A real election: raises the term and votes for itself. `transfer`: the old leader asked for it. */
export function campaign(state: RaftState, transfer: boolean): void {
  if (state.role === 'leader' || !isVoter(state)) return
  becomeFollower(state, state.term + 1, null)
  state.role = 'candidate'
  state.vote = state.self
  state.transferElection = transfer
  ask(state, 'vote', state.term)
}

function ask(state: RaftState, type: 'pre-vote' | 'vote', term: number): void {
  const { lastIndex, lastTerm } = state.log
  state.answers.set(state.self, true)
  for (const to of state.log.config.voters) {
    if (to === state.self) continue
    if (type === 'vote') send(state, { type, to, term, lastIndex, lastTerm, transfer: state.transferElection })
    else send(state, { type, to, term, lastIndex, lastTerm })
  }
  decide(state)
}

/** While a leader was heard lately, elections are refused: it relies on that (thesis §6.4.1, §4.2.3). */
export function promisedToLeader(state: RaftState): boolean {
  return state.role === 'leader' || state.tick < state.promiseUntilTick
}

/** `message.term` is not below this server's. */
export function onPreVote(state: RaftState, message: MessageOf<'pre-vote'>): void {
  const granted =
    message.term > state.term && !promisedToLeader(state) && state.log.isUpToDate(message.lastIndex, message.lastTerm)
  // A refusal carries this server's own term, so that a candidate that lags behind learns of it.
  send(state, { type: 'pre-vote-reply', to: message.from, granted, term: granted ? message.term : state.term })
}

/** `message.term` is this server's term. One vote a term, only for a log that is at least as complete (§5.2, §5.4.1). */
export function onVote(state: RaftState, message: MessageOf<'vote'>): void {
  const free = state.vote === message.from || (state.vote === null && state.leader === null)
  const granted = free && state.log.isUpToDate(message.lastIndex, message.lastTerm)
  if (granted) {
    state.vote = message.from
    drawElectionTimeout(state)
  }
  send(state, { type: 'vote-reply', to: message.from, granted })
}

export function onPreVoteReply(state: RaftState, message: MessageOf<'pre-vote-reply'>): void {
  if (state.role !== 'pre-candidate') return
  if (message.granted && message.term !== state.term + 1) return
  state.answers.set(message.from, message.granted)
  decide(state)
}

export function onVoteReply(state: RaftState, message: MessageOf<'vote-reply'>): void {
  if (state.role !== 'candidate') return
  state.answers.set(message.from, message.granted)
  decide(state)
}

function decide(state: RaftState): void {
  const result = tally(state.log.config.voters, state.answers)
  if (result === 'lost') becomeFollower(state, state.term, null)
  if (result !== 'won') return
  if (state.role === 'pre-candidate') campaign(state, false)
  else becomeLeader(state)
}
