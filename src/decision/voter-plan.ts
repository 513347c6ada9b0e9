import type { RaftConfig } from '../raft/core/types.ts'
import { maxVoters, type Member } from './cluster-state.ts'

export interface VoterFacts {
  self: string
  members: readonly Member[]
  config: RaftConfig
  lastIndex: number
  /** Highest index on each peer's disk, of those that the leader sends to. */
  match: ReadonlyMap<string, number>
  alive: (peer: string) => boolean
  /** Dead for so long that waiting for it makes no sense. */
  lost: (peer: string) => boolean
}

export type VoterPlan = { change: RaftConfig; why: string } | { transferTo: string } | undefined

/** Entries that a learner may lack when it becomes a voter: few enough to be sent within an election timeout. */
const catchUpSlack = 100

/** Two members: both (one more than one makes no difference to what one may lose, but keeps a second copy). */
export const wantedVoters = (members: number): number =>
  members <= 2 ? members : Math.min(members - (members % 2 === 0 ? 1 : 0), maxVoters)

/**
 * The next step towards the voters that the cluster should have: an odd number, spread over zones, no lost machine
 * among them while a live one could take its place. One step changes one server.
 */
export function planVoters(facts: VoterFacts): VoterPlan {
  const { members, config, self } = facts
  const peers = new Set(members.map((member) => member.peer))
  const strayLearner = config.learners.find((peer) => !peers.has(peer) || facts.lost(peer))
  if (strayLearner !== undefined) return { change: withoutPeer(config, strayLearner), why: 'learner is gone' }
  const strayVoter = config.voters.find((peer) => !peers.has(peer))
  if (strayVoter === self) return handOver(facts)
  if (strayVoter !== undefined && config.voters.length > 1) {
    return { change: withoutPeer(config, strayVoter), why: 'voter is no longer a member' }
  }
  const ready = config.learners.find((peer) => facts.alive(peer) && isCaughtUp(facts, peer))
  const wanted = wantedVoters(members.length)
  if (ready !== undefined && config.voters.length < wanted) {
    const { voters, learners } = withoutPeer(config, ready)
    return { change: { voters: [...voters, ready], learners }, why: 'learner has caught up' }
  }
  const spare = bestCandidate(facts)
  const lost = config.voters.find((peer) => peer !== self && facts.lost(peer))
  if (lost !== undefined && spare !== undefined) return { change: withoutPeer(config, lost), why: 'voter is lost' }
  if (config.voters.length < wanted && config.learners.length === 0 && spare !== undefined) {
    return { change: { voters: config.voters, learners: [spare] }, why: 'a voter is missing' }
  }
  return tooMany(facts, wanted) ?? rebalance(facts, wanted, spare)
}

function tooMany({ config, self, alive, members }: VoterFacts, wanted: number): VoterPlan {
  if (config.voters.length <= wanted) return undefined
  const others = config.voters.filter((peer) => peer !== self)
  const crowded = byCrowding(members, config.voters, others)
  const surplus = others.find((peer) => !alive(peer)) ?? crowded.at(-1)
  return surplus === undefined ? undefined : { change: withoutPeer(config, surplus), why: 'more voters than wanted' }
}

/** Swaps a voter of a crowded zone for a member of one with at least two voters fewer. */
function rebalance(facts: VoterFacts, wanted: number, spare: string | undefined): VoterPlan {
  const { config, members, self } = facts
  if (spare === undefined || config.voters.length < wanted || config.voters.length < 3) return undefined
  if (!config.voters.every(facts.alive)) return undefined
  const count = countByZone(members, config.voters)
  const zone = zoneOf(members, spare)
  const crowded = byCrowding(
    members,
    config.voters,
    config.voters.filter((peer) => peer !== self),
  ).at(-1)
  if (crowded === undefined) return undefined
  const gain = (count.get(zoneOf(members, crowded)) ?? 0) - (count.get(zone) ?? 0)
  return gain >= 2 ? { change: withoutPeer(config, crowded), why: 'another zone has fewer voters' } : undefined
}

function handOver({ config, match, alive, self }: VoterFacts): VoterPlan {
  const heirs = config.voters.filter((peer) => peer !== self && alive(peer))
  const [best] = heirs.toSorted((left, right) => (match.get(right) ?? 0) - (match.get(left) ?? 0))
  return best === undefined ? undefined : { transferTo: best }
}

const isCaughtUp = ({ match, lastIndex }: VoterFacts, peer: string): boolean =>
  lastIndex - (match.get(peer) ?? -Infinity) <= catchUpSlack

/** A live member that is no voter, of the zone with the fewest. */
function bestCandidate({ members, config, alive }: VoterFacts): string | undefined {
  const free = members.filter((member) => !config.voters.includes(member.peer) && alive(member.peer))
  return byCrowding(
    members,
    config.voters,
    free.map((member) => member.peer),
  )[0]
}

/** `peers` ordered by the number of voters in their zones, then by node number. */
function byCrowding(members: readonly Member[], voters: readonly string[], peers: readonly string[]): string[] {
  const count = countByZone(members, voters)
  const rank = (peer: string) => count.get(zoneOf(members, peer)) ?? 0
  const numberOf = (peer: string) => members.find((member) => member.peer === peer)?.number ?? 0
  return peers.toSorted((left, right) => rank(left) - rank(right) || numberOf(left) - numberOf(right))
}

function countByZone(members: readonly Member[], voters: readonly string[]): Map<string, number> {
  const count = new Map<string, number>()
  for (const peer of voters) count.set(zoneOf(members, peer), (count.get(zoneOf(members, peer)) ?? 0) + 1)
  return count
}

const zoneOf = (members: readonly Member[], peer: string): string =>
  members.find((member) => member.peer === peer)?.zone ?? ''

const withoutPeer = ({ voters, learners }: RaftConfig, peer: string): RaftConfig => ({
  voters: voters.filter((other) => other !== peer),
  learners: learners.filter((other) => other !== peer),
})
