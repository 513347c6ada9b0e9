import { parseExact } from '../lib/exact-json.ts'
import type { Member } from './cluster-state.ts'
import { defaultClusterRanges, type ClusterRanges } from './cluster-state.ts'
import { ClusterMachine, type LoggedCommand } from './cluster-machine.ts'
import type { LogState } from './decision-log.ts'
import type { LogStorage } from './log-storage.ts'
import { decodeMachine, encodeMachine } from './machine-snapshot.ts'

export interface FirstMember extends Omit<Member, 'number' | 'podCidr' | 'incarnation' | 'role'> {}

/** The state begins as a snapshot: a joiner without one must fetch it, and so learns the ranges. */
const firstIndex = 1
const firstTerm = 1

/**
 * Makes the log of a new cluster on an empty disk: one member, number 1, the only voter. Throws when the disk already
 * holds a log.
 */
export async function initCluster(
  storage: LogStorage,
  member: FirstMember,
  ranges: ClusterRanges = defaultClusterRanges,
): Promise<Member> {
  if (storage.load()) throw new Error('this node already belongs to a cluster: its decision log is not empty')
  const machine = new ClusterMachine(ranges)
  const { result } = machine.apply({ id: '', command: { type: 'member-add', member } }, firstIndex)
  if (!result.ok) throw new Error(result.message)
  const config = { voters: [member.peer], learners: [] }
  machine.applyConfig(config)
  const meta = { index: firstIndex, term: firstTerm, config }
  await storage.write({
    generation: 1,
    hardState: { term: firstTerm, vote: null, commit: firstIndex },
    snapshot: { meta, chunks: [...encodeMachine(machine)] },
  })
  const [first] = machine.membership.members()
  if (!first) throw new Error('a new cluster has one member')
  return first
}

/**
 * Makes the log of a new cluster out of what another had come to: its objects, ranges and addresses, with one new
 * member. The old members and their tokens are gone; the generation rises, so that what they still say is void.
 * Throws when the disk already holds a log, or the state is of an unknown format.
 */
export async function restoreCluster(storage: LogStorage, state: LogState, member: FirstMember): Promise<Member> {
  if (storage.load()) throw new Error('this node already belongs to a cluster: its decision log is not empty')
  const machine = decodeMachine(state.chunks)
  // Beyond every position of the old log: decided objects remember theirs.
  const index = state.index + 1
  machine.membership.forgetAll()
  const { result } = machine.apply({ id: '', command: { type: 'member-add', member } }, index)
  if (!result.ok) throw new Error(result.message)
  const config = { voters: [member.peer], learners: [] }
  machine.applyConfig(config)
  const meta = { index, term: firstTerm, config }
  await storage.write({
    generation: state.generation + 1,
    hardState: { term: firstTerm, vote: null, commit: index },
    snapshot: { meta, chunks: [...encodeMachine(machine)] },
  })
  const [first] = machine.membership.members()
  if (!first) throw new Error('a new cluster has one member')
  return first
}

/**
 * For when a majority of the voters is gone for good: makes this node the only voter of a new generation, with
 * everything that is in its log. Run while the agent is stopped, on ONE node, the one with the highest index.
 *
 * Not promised: writes that were decided by the lost majority and never reached this disk are lost; writes that were
 * in this log and not yet decided become decided. Nodes of the older generation that come back throw away their log
 * and take this one. Returns what the operator should see.
 */
export async function forceRecover(
  storage: LogStorage,
  self: { node: string; peer: string },
): Promise<{ generation: number; index: number; members: Member[] }> {
  const stored = storage.load()
  if (!stored) throw new Error('there is no decision log on this node: nothing to recover')
  const machine = stored.snapshot ? decodeMachine(stored.snapshot.chunks) : new ClusterMachine()
  const decoder = new TextDecoder()
  for (const entry of stored.entries) {
    if (entry.kind === 'data') machine.apply(parseExact(decoder.decode(entry.data)) as LoggedCommand, entry.index)
  }
  if (machine.membership.member(self.node)?.peer !== self.peer) {
    throw new Error(`node "${self.node}" is not a member according to its own log: recover on another node`)
  }
  const config = { voters: [self.peer], learners: [] }
  machine.applyConfig(config)
  const index = (stored.entries.at(-1)?.index ?? stored.snapshot?.meta.index ?? 0) + 1
  const term = stored.hardState.term + 1
  const generation = stored.generation + 1
  await storage.write({
    generation,
    hardState: { term, vote: null, commit: index },
    snapshot: { meta: { index, term, config }, chunks: [...encodeMachine(machine)] },
  })
  return { generation, index, members: machine.membership.members() }
}
