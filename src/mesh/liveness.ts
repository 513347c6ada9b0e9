import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Mesh, PeerId } from './mesh.ts'
import { initialSwim, stepSwim, type SwimConfig, type SwimInput } from './swim.ts'

export interface LivenessConfig extends SwimConfig {
  /** How long a direct probe may take, then an indirect one. */
  directTimeoutMs: number
  indirectTimeoutMs: number
  /** Members asked to probe in our stead. */
  helpers: number
}

/** Small clusters: a death is noticed after 0.7–1.6 s, measured over a cut link. */
export const defaultLiveness: LivenessConfig = {
  intervalMs: 300,
  probesPerRound: 3,
  suspicionMs: 400,
  rumourMs: 3_000,
  directTimeoutMs: 300,
  indirectTimeoutMs: 300,
  helpers: 2,
}

/** Rumours in one probe, so that a probe stays one packet. */
const maxRumours = 16
/** Direct probes that may fail in a row, while others reach the peer, before its connection is taken for broken. */
const maxDirectFailures = 3
const protocol = 'liveness'

/** `ask` absent: answer that you live. Present: probe that peer for me. */
interface Probe {
  ask?: PeerId
  suspects: PeerId[]
}
type ProbeAnswer = { alive: boolean; suspects: PeerId[] }

export interface Liveness {
  setMembers(peers: readonly PeerId[]): void
  liveness(peer: PeerId): { alive: boolean; lastAliveMs: number }
  /** Authenticated word of the peer arrived by another way. */
  heard(peer: PeerId): void
  start(): void
  stop(): void
}

/** Runs {@link stepSwim} with a mesh's own requests as probes. Timers and chance are arguments. */
export function createLiveness(options: {
  mesh: Pick<Mesh, 'request' | 'onRequest' | 'connected' | 'self'>
  clock: Clock
  random: Random
  config: LivenessConfig
  onVerdict(peer: PeerId, alive: boolean): void
  /** The peer does not answer on its connection though others reach it. */
  onBrokenConnection(peer: PeerId): void
}): Liveness {
  const { mesh, clock, random, config } = options
  let state = initialSwim(clock.monotonicMs())
  let timer: Timer | undefined
  let stopping = new AbortController()
  const directFailures = new Map<PeerId, number>()

  function apply(input: SwimInput): void {
    const step = stepSwim(config, state, input)
    state = step.state
    for (const effect of step.effects) {
      if (effect.type === 'verdict') options.onVerdict(effect.peer, effect.alive)
      else void probe(effect.peer)
    }
  }

  const suspects = (): PeerId[] => [...state.rumours.keys()].slice(0, maxRumours)

  async function ask(peer: PeerId, message: Probe, timeoutMs: number): Promise<ProbeAnswer> {
    const body = new TextEncoder().encode(JSON.stringify(message))
    const answer = await mesh.request(peer, protocol, body, { timeoutMs, signal: stopping.signal })
    return JSON.parse(new TextDecoder().decode(answer)) as ProbeAnswer
  }

  async function direct(peer: PeerId): Promise<boolean> {
    if (!mesh.connected().includes(peer)) return false
    try {
      const answer = await ask(peer, { suspects: suspects() }, config.directTimeoutMs)
      directFailures.delete(peer)
      apply({ type: 'rumours', suspects: answer.suspects, nowMs: clock.monotonicMs() })
      return true
    } catch {
      directFailures.set(peer, (directFailures.get(peer) ?? 0) + 1)
      return false
    }
  }

  async function indirect(peer: PeerId): Promise<boolean> {
    const connected = mesh.connected().filter((one) => one !== peer && state.members.get(one)?.status === 'alive')
    const helpers = shuffle(connected, random).slice(0, config.helpers)
    const answers = helpers.map(async (helper) => {
      const answer = await ask(helper, { ask: peer, suspects: suspects() }, config.indirectTimeoutMs)
      if (!answer.alive) throw new Error('silent')
    })
    return Promise.any(answers).then(
      () => true,
      () => false,
    )
  }

  async function probe(peer: PeerId): Promise<void> {
    const { signal } = stopping
    const beganMs = clock.monotonicMs()
    const reached = (await direct(peer)) || (await indirect(peer))
    if (signal.aborted) return
    const nowMs = clock.monotonicMs()
    apply(reached ? { type: 'heard', peer, nowMs } : { type: 'silent', peer, nowMs, beganMs })
    if ((directFailures.get(peer) ?? 0) >= maxDirectFailures) {
      directFailures.delete(peer)
      options.onBrokenConnection(peer)
    }
  }

  mesh.onRequest(protocol, async (from, body) => {
    const message = JSON.parse(new TextDecoder().decode(body)) as Probe
    apply({ type: 'heard', peer: from, nowMs: clock.monotonicMs() })
    apply({
      type: 'rumours',
      suspects: message.suspects.filter((peer) => peer !== mesh.self),
      nowMs: clock.monotonicMs(),
    })
    const alive = message.ask === undefined || (state.members.has(message.ask) && (await direct(message.ask)))
    if (alive && message.ask !== undefined) apply({ type: 'heard', peer: message.ask, nowMs: clock.monotonicMs() })
    return new TextEncoder().encode(JSON.stringify({ alive, suspects: suspects() } satisfies ProbeAnswer))
  })

  function round(): void {
    timer = clock.after(config.intervalMs * (0.9 + 0.2 * random.next()), round)
    apply({ type: 'tick', nowMs: clock.monotonicMs(), order: shuffle([...state.members.keys()], random) })
  }

  return {
    setMembers(peers) {
      const others = peers.filter((peer) => peer !== mesh.self)
      apply({ type: 'members', peers: others, nowMs: clock.monotonicMs() })
      for (const peer of directFailures.keys()) if (!state.members.has(peer)) directFailures.delete(peer)
    },
    liveness(peer) {
      if (peer === mesh.self) return { alive: true, lastAliveMs: clock.monotonicMs() }
      const member = state.members.get(peer)
      return { alive: member !== undefined && member.status !== 'dead', lastAliveMs: member?.lastAliveMs ?? 0 }
    },
    heard: (peer) => apply({ type: 'heard', peer, nowMs: clock.monotonicMs() }),
    start() {
      stopping = new AbortController()
      timer = clock.after(config.intervalMs * random.next(), round)
    },
    stop() {
      timer?.cancel()
      stopping.abort(new Error('stopped'))
    },
  }
}

/** Fisher and Yates, with the given source of chance. */
function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items]
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1))
    const kept = shuffled[last] as T
    shuffled[last] = shuffled[other] as T
    shuffled[other] = kept
  }
  return shuffled
}
