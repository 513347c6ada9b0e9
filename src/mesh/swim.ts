import type { PeerId } from './mesh.ts'

/**
 * Who is alive, in the manner of SWIM (Das, Gupta, Motivala 2002): each period a few members are probed directly,
 * then through others, and what fails is suspected before it is called dead. Two departures, both for safety:
 * - A rumour never kills. Hearing that somebody suspects X only makes this node probe X at once, so a verdict always
 *   rests on this node's own probes and no incarnation numbers are needed.
 * - A node that was itself held up (its tick came late) does not count the probes of that time (as Lifeguard's local
 *   health: the slow one is likely to be the judge).
 *
 * Pure: every input carries the time, and every output is data. Times are monotonic milliseconds.
 */
export interface SwimConfig {
  /** Between two rounds of probes. */
  intervalMs: number
  /** Members probed in each round; the cost of a node does not grow with the cluster. */
  probesPerRound: number
  /** How long a suspect has to show itself. */
  suspicionMs: number
  /** How long a suspicion is passed on. */
  rumourMs: number
}

export type SwimStatus = 'alive' | 'suspect' | 'dead'

export interface SwimMember {
  readonly status: SwimStatus
  readonly lastAliveMs: number
  readonly suspectSinceMs: number
  readonly probing: boolean
}

export interface SwimState {
  readonly members: ReadonlyMap<PeerId, SwimMember>
  /** Who is still to be probed before the round-robin starts anew, in a random order. */
  readonly order: readonly PeerId[]
  /** Suspects that are passed on, with the time until which. */
  readonly rumours: ReadonlyMap<PeerId, number>
  readonly lastTickMs: number
  /** Probes begun before this time count only when they succeed. */
  readonly trustedSinceMs: number
}

export type SwimInput =
  | { type: 'members'; peers: readonly PeerId[]; nowMs: number }
  /** `order` is a shuffle of all members, used when the previous one is exhausted. */
  | { type: 'tick'; nowMs: number; order: readonly PeerId[] }
  /** A direct or an indirect probe ended, or other authenticated word of the peer arrived (`began` then equals now). */
  | { type: 'heard'; peer: PeerId; nowMs: number }
  | { type: 'silent'; peer: PeerId; nowMs: number; beganMs: number }
  | { type: 'rumours'; suspects: readonly PeerId[]; nowMs: number }

export type SwimEffect = { type: 'probe'; peer: PeerId } | { type: 'verdict'; peer: PeerId; alive: boolean }

export interface SwimStep {
  readonly state: SwimState
  readonly effects: readonly SwimEffect[]
}

/** Ticks jitter by a tenth; what is later than this was held up. */
const lateFactor = 1.6

export function initialSwim(nowMs: number): SwimState {
  return { members: new Map(), order: [], rumours: new Map(), lastTickMs: nowMs, trustedSinceMs: nowMs }
}

/** Every transition. Members start alive, with the benefit of one suspicion period. */
export function stepSwim(config: SwimConfig, state: SwimState, input: SwimInput): SwimStep {
  switch (input.type) {
    case 'members':
      return setMembers(state, input.peers, input.nowMs)
    case 'tick':
      return tick(config, state, input.nowMs, input.order)
    case 'heard':
      return heard(state, input.peer, input.nowMs)
    case 'silent':
      return silent(config, state, input.peer, input.nowMs, input.beganMs)
    case 'rumours':
      return listen(state, input.suspects)
  }
}

function setMembers(state: SwimState, peers: readonly PeerId[], nowMs: number): SwimStep {
  const members = new Map<PeerId, SwimMember>()
  for (const peer of peers) {
    members.set(
      peer,
      state.members.get(peer) ?? { status: 'alive', lastAliveMs: nowMs, suspectSinceMs: 0, probing: false },
    )
  }
  return {
    state: {
      ...state,
      members,
      order: state.order.filter((peer) => members.has(peer)),
      rumours: new Map([...state.rumours].filter(([peer]) => members.has(peer))),
    },
    effects: [],
  }
}

function tick(config: SwimConfig, before: SwimState, nowMs: number, order: readonly PeerId[]): SwimStep {
  const late = nowMs - before.lastTickMs > lateFactor * config.intervalMs
  const members = new Map(before.members)
  const effects: SwimEffect[] = []
  const targets = new Set<PeerId>()

  for (const [peer, member] of members) {
    if (member.status !== 'suspect') continue
    if (late) members.set(peer, { ...member, suspectSinceMs: nowMs })
    else if (nowMs - member.suspectSinceMs >= config.suspicionMs) {
      members.set(peer, { ...member, status: 'dead' })
      effects.push({ type: 'verdict', peer, alive: false })
      continue
    }
    targets.add(peer)
  }

  let rest = [...before.order]
  const wanted = Math.min(config.probesPerRound, members.size)
  for (let chosen = 0; chosen < wanted; chosen++) {
    if (rest.length === 0) rest = order.filter((peer) => members.has(peer) && !targets.has(peer))
    const peer = rest.shift()
    if (peer === undefined) break
    targets.add(peer)
  }
  for (const peer of targets) {
    const member = members.get(peer)
    if (!member || member.probing) continue
    members.set(peer, { ...member, probing: true })
    effects.push({ type: 'probe', peer })
  }

  const rumours = new Map([...before.rumours].filter(([, untilMs]) => untilMs > nowMs))
  const trustedSinceMs = late ? nowMs : before.trustedSinceMs
  return { state: { members, order: rest, rumours, lastTickMs: nowMs, trustedSinceMs }, effects }
}

function heard(state: SwimState, peer: PeerId, nowMs: number): SwimStep {
  const member = state.members.get(peer)
  if (!member) return { state, effects: [] }
  const members = new Map(state.members)
  members.set(peer, { status: 'alive', lastAliveMs: nowMs, suspectSinceMs: 0, probing: false })
  const rumours = new Map(state.rumours)
  rumours.delete(peer)
  const effects: SwimEffect[] = member.status === 'dead' ? [{ type: 'verdict', peer, alive: true }] : []
  return { state: { ...state, members, rumours }, effects }
}

function silent(config: SwimConfig, state: SwimState, peer: PeerId, nowMs: number, beganMs: number): SwimStep {
  const member = state.members.get(peer)
  if (!member) return { state, effects: [] }
  const members = new Map(state.members)
  // Heard of since the probe began, or a probe of a time when this node was held up: no evidence.
  const evidence = beganMs >= state.trustedSinceMs && member.lastAliveMs <= beganMs
  if (member.status !== 'alive' || !evidence) {
    members.set(peer, { ...member, probing: false })
    return { state: { ...state, members }, effects: [] }
  }
  members.set(peer, { ...member, status: 'suspect', suspectSinceMs: nowMs, probing: false })
  const rumours = new Map(state.rumours).set(peer, nowMs + config.rumourMs)
  return { state: { ...state, members, rumours }, effects: [] }
}

function listen(state: SwimState, suspects: readonly PeerId[]): SwimStep {
  const members = new Map(state.members)
  const effects: SwimEffect[] = []
  for (const peer of suspects) {
    const member = members.get(peer)
    if (!member || member.status !== 'alive' || member.probing) continue
    members.set(peer, { ...member, probing: true })
    effects.push({ type: 'probe', peer })
  }
  return effects.length === 0 ? { state, effects } : { state: { ...state, members }, effects }
}
