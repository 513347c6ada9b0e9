import type { Clock, Random, Timer } from '../lib/clock.ts'
import { underSignals } from '../lib/under-signals.ts'
import type { PeerId } from './mesh.ts'

const firstDelayMs = 50
const smallestBackoffMs = 100
/** The longer a cluster's list of members, the rarer each absent one is dialled, so that the cost stays bounded. */
const largestBackoffMs = (members: number): number => 1_000 * Math.max(1, members / 32)
/** The peer with the larger id leaves the other this head start, so that most pairs have one connection. */
const headStartMs = 300
/** A packet lost while a link was cut is resent by TCP only after seconds: give up early and dial afresh. */
const dialTimeoutMs = 1_500
/** Every third attempt is patient, for slow links and overloaded machines. */
const patientDialTimeoutMs = 6_000
/** A connection that is over sooner counts as a failed attempt: the peer may not admit us (yet). */
const stableAfterMs = 2_000

interface Target {
  addresses: readonly string[]
  attempts: number
  timer: Timer | undefined
  dialling: boolean
  connectedAtMs: number
}

export interface Dialer {
  setTargets(targets: ReadonlyMap<PeerId, readonly string[]>): void
  /** The last connection to the peer has closed, or a new attempt is wanted for another reason. */
  disconnected(peer: PeerId): void
  connected(peer: PeerId): void
  start(): void
  stop(): void
}

/** Keeps a connection to every member: exponential back-off with jitter, at most a second in small clusters. */
export function createDialer(options: {
  self: PeerId
  clock: Clock
  random: Random
  isConnected(peer: PeerId): boolean
  dial(peer: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<void>
}): Dialer {
  const { self, clock, random } = options
  const targets = new Map<PeerId, Target>()
  let running = false
  let stopping = new AbortController()

  function schedule(peer: PeerId, target: Target): void {
    target.timer?.cancel()
    if (!running || target.dialling || options.isConnected(peer) || target.addresses.length === 0) return
    const { attempts } = target
    const backoffMs =
      attempts === 0
        ? firstDelayMs * random.next() + (self < peer ? 0 : headStartMs)
        : Math.min(smallestBackoffMs * 2 ** Math.min(attempts, 16), largestBackoffMs(targets.size)) *
          (0.75 + random.next() / 2)
    target.timer = clock.after(backoffMs, () => void attempt(peer, target))
  }

  async function attempt(peer: PeerId, target: Target): Promise<void> {
    if (!running || options.isConnected(peer)) return
    target.dialling = true
    target.attempts++
    const deadline = new AbortController()
    const timeoutMs = target.attempts % 3 === 0 ? patientDialTimeoutMs : dialTimeoutMs
    const timer = clock.after(timeoutMs, () => deadline.abort(new Error(`no connection within ${timeoutMs} ms`)))
    try {
      await underSignals([deadline.signal, stopping.signal], (signal) => options.dial(peer, target.addresses, signal))
    } catch {
      // The next attempt is scheduled below; absent peers are normal.
    } finally {
      timer.cancel()
      target.dialling = false
      if (targets.get(peer) === target) schedule(peer, target)
    }
  }

  return {
    setTargets(wanted) {
      for (const [peer, target] of targets) {
        if (wanted.has(peer)) continue
        target.timer?.cancel()
        targets.delete(peer)
      }
      for (const [peer, addresses] of wanted) {
        if (peer === self) continue
        const known = targets.get(peer)
        if (known && sameAddresses(known.addresses, addresses)) continue
        const target = known ?? { addresses, attempts: 0, timer: undefined, dialling: false, connectedAtMs: 0 }
        target.addresses = addresses
        target.attempts = 0
        targets.set(peer, target)
        schedule(peer, target)
      }
    },
    disconnected(peer) {
      const target = targets.get(peer)
      if (!target) return
      if (clock.monotonicMs() - target.connectedAtMs > stableAfterMs) target.attempts = 0
      schedule(peer, target)
    },
    connected(peer) {
      const target = targets.get(peer)
      if (!target) return
      target.connectedAtMs = clock.monotonicMs()
      target.timer?.cancel()
    },
    start() {
      running = true
      stopping = new AbortController()
      for (const [peer, target] of targets) schedule(peer, target)
    },
    stop() {
      running = false
      stopping.abort(new Error('stopped'))
      for (const target of targets.values()) target.timer?.cancel()
    },
  }
}

function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address, index) => address === b[index])
}
