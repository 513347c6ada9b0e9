import type { Clock } from '../lib/clock.ts'
import { errors } from '../api/status-error.ts'
import type { SnapshotMeta } from '../raft/core/types.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { encodeEntry, packParts, unpackParts } from './entry-codec.ts'
import type { LogRunner } from './log-runner.ts'
import type { LogStorage } from './log-storage.ts'
import { logProtocol } from './raft-wire.ts'

/** Entries of one answer. */
const maxAnswerBytes = 4 * 1024 * 1024
const longestHoldMs = 10_000

/** What a node asks: the committed entries from an index on, or one chunk of a snapshot. */
export type LogRequest =
  | { ask: 'entries'; generation: number; from: number; holdMs: number }
  | { ask: 'chunk'; index: number; chunk: number }

/** Entries follow as parts. With `snapshot` the asker must fetch that first. */
export interface LogAnswer {
  generation: number
  leader: string | null
  term: number
  /** How long the request was held, and how long before the answer this node last heard a leader (null: never). */
  heldMs: number
  contactAgeMs: number | null
  snapshot?: { meta: SnapshotMeta; chunkCount: number }
}

export interface LogServerParts {
  mesh: Mesh
  clock: Clock
  storage: LogStorage
  runner: LogRunner
}

/**
 * Hands out what is committed to whoever asks: members that are no voters follow the log this way. A request for
 * entries that do not exist yet is held until they do, so nothing needs to be announced.
 */
export function serveLog({ mesh, clock, storage, runner }: LogServerParts): void {
  mesh.onRequest(logProtocol, async (_from, body, signal) => {
    const request = unpackParts<LogRequest>(body).header
    if (request.ask === 'chunk') {
      const chunk = storage.snapshotChunk(request.index, request.chunk)
      if (!chunk) throw errors.unavailable(`snapshot ${request.index} was replaced by a newer one`)
      return packParts({}, [chunk])
    }
    if (request.generation > runner.generation) throw errors.unavailable('this node belongs to an older generation')
    const startedMs = clock.monotonicMs()
    const sameGeneration = request.generation === runner.generation
    // Held until there is something new, at most as long as the asker wants.
    if (sameGeneration) await runner.untilApplied(request.from, signal, Math.min(request.holdMs, longestHoldMs))
    const nowMs = clock.monotonicMs()
    const age = nowMs - runner.lastLeaderContactMs
    const answer: LogAnswer = {
      generation: runner.generation,
      leader: runner.core.leader,
      term: runner.core.term,
      heldMs: nowMs - startedMs,
      contactAgeMs: Number.isFinite(age) ? age : null,
    }
    const entries = sameGeneration ? runner.core.committedEntries(request.from, maxAnswerBytes) : undefined
    if (entries) return packParts(answer, entries.map(encodeEntry))
    // Snapshot and log meet: the newest snapshot is never older than the first entry that is kept.
    if (!storage.snapshotInfo()) await runner.takeSnapshot()
    const snapshot = storage.snapshotInfo()
    if (!snapshot) throw errors.unavailable('this node has no snapshot yet')
    return packParts({ ...answer, snapshot } satisfies LogAnswer, [])
  })
}
