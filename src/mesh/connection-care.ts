import type { Connection } from '@libp2p/interface'
import type { Clock, Timer } from '../lib/clock.ts'
import type { PeerId } from './mesh.ts'

const intervalMs = 1_000
/** Two connections dialled at once by both ends are left alone until whichever carries gossip is known. */
const duplicateGraceMs = 2_000
/** Identify and the gossip stream follow a connection; on a loaded machine that takes a while. */
const gossipGraceMs = 6_000

/**
 * Looks after connections in two ways that libp2p leaves open:
 * - of several connections to a peer one is kept. Only the end with the smaller peer id closes, so that the two ends
 *   never close different ones; a connection that carries gossip or an open stream (an exec, a log) is spared.
 * - gossipsub opens its stream when a peer appears and not again when that stream's connection closes while another is
 *   open: such a peer would be deaf. Dropping all its connections makes both ends start afresh.
 */
export function createConnectionCare(options: {
  clock: Clock
  self: PeerId
  peers(): PeerId[]
  connectionsOf(peer: PeerId): Connection[]
  hasGossip(peer: PeerId): boolean
  keepsOpen(connection: Connection): boolean
  drop(peer: PeerId): void
}): { start(): void; stop(): void } {
  const { clock } = options
  let timer: Timer | undefined

  function look(peer: PeerId, nowMs: number): void {
    const newestFirst = options.connectionsOf(peer).toSorted((a, b) => b.timeline.open - a.timeline.open)
    const [newest, ...older] = newestFirst
    if (!newest) return
    const ageMs = nowMs - newest.timeline.open
    if (ageMs > gossipGraceMs && !options.hasGossip(peer)) return options.drop(peer)
    if (options.self > peer || ageMs < duplicateGraceMs) return
    for (const connection of older) {
      if (options.keepsOpen(connection)) continue
      connection.close().catch((error: Error) => connection.abort(error))
    }
  }

  function round(): void {
    timer = clock.after(intervalMs, round)
    const nowMs = clock.nowMs()
    for (const peer of options.peers()) look(peer, nowMs)
  }

  return {
    start() {
      timer = clock.after(intervalMs, round)
    },
    stop() {
      timer?.cancel()
    },
  }
}
