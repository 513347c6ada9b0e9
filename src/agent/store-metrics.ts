import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { LogStatus } from '../decision/decision-log.ts'
import type { ReplicationStatus } from '../replication/replicator.ts'

/** What /metrics says about this node's replica and its part of the decision log. */
export interface StoreFacts {
  readonly replication: ReplicationStatus
  readonly log: LogStatus
  readonly tombstones: number
  /** Changes of peers that were refused since the start. */
  readonly refused: number
  /** The disk did not take the last write. */
  readonly isDiskFailing: boolean
  /** Sizes of the files, undefined where there is none. */
  readonly storeBytes: number | undefined
  readonly logBytes: number | undefined
  /** Name of the node that a peer is. */
  nodeOf(peer: string): string
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | undefined]

/** Prometheus text (exposition format 0.0.4). A value that is not known is left out. */
export function storeMetrics(facts: StoreFacts): string {
  const { replication, log } = facts
  const peers = replication.peers.map((peer) => [{ node: facts.nodeOf(peer.peer) }, peer] as const)
  const perPeer = (value: (peer: (typeof replication.peers)[number]) => number | undefined): Sample[] =>
    peers.map(([labels, peer]) => [labels, value(peer)])
  return [
    gauge('store_documents', 'Objects of which this node holds a document or decided values.', replication.documents),
    gauge('store_tombstones', 'Deletions that this node still remembers.', facts.tombstones),
    counter(
      'store_refused_changes_total',
      'Changes of peers that were unreadable, too large or misdated.',
      facts.refused,
    ),
    gauge('store_disk_bytes', "Size of the store's file.", facts.storeBytes),
    gauge('store_disk_failing', '1 while the disk takes no writes.', facts.isDiskFailing ? 1 : 0),
    counter('replication_sessions_total', 'Anti-entropy sessions that ended well.', replication.sessions),
    counter('replication_failed_sessions_total', 'Anti-entropy sessions that failed.', replication.failedSessions),
    counter('replication_overflowed_total', 'Changes left to anti-entropy for want of room.', replication.overflowed),
    metric(
      'gauge',
      'replication_lag_seconds',
      'Age of the newest batch of a node when it came here.',
      perPeer(({ lagMs }) => seconds(lagMs)),
    ),
    metric(
      'gauge',
      'replication_last_sync_timestamp_seconds',
      'When anti-entropy with a node last ended well.',
      perPeer(({ lastSyncMs }) => seconds(lastSyncMs || undefined)),
    ),
    metric(
      'counter',
      'replication_missed_batches_total',
      'Broadcasts of a node that never came.',
      perPeer(({ missedBatches }) => missedBatches),
    ),
    metric(
      'counter',
      'replication_malformed_total',
      'Messages of a node that could not be read.',
      perPeer(({ malformed }) => malformed),
    ),
    gauge('decision_log_term', 'Term of the decision log.', log.term),
    gauge('decision_log_generation', 'Raised by each forced recovery.', log.generation),
    gauge('decision_log_commit_index', 'Newest entry known to be committed.', log.commitIndex),
    gauge('decision_log_applied_index', 'Newest entry applied here.', log.appliedIndex),
    gauge('decision_log_is_leader', '1 on the leader.', log.isLeader ? 1 : 0),
    gauge('decision_log_has_leader', '1 where a leader is known.', log.leader === null ? 0 : 1),
    gauge('decision_log_voters', 'Voters of the decision log.', log.voters.length),
    metric(
      'gauge',
      'decision_log_lag_entries',
      'On the leader: committed entries that a node lacks.',
      Object.entries(log.lag ?? {}).map(([node, lag]) => [{ node }, lag]),
    ),
    gauge('decision_log_disk_bytes', "Size of the log's file.", facts.logBytes),
  ].join('')
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)

const gauge = (name: string, help: string, value: number | undefined): string =>
  metric('gauge', name, help, [[{}, value]])
const counter = (name: string, help: string, value: number): string => metric('counter', name, help, [[{}, value]])

function metric(type: 'gauge' | 'counter', name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.flatMap(([labels, value]) => {
    if (value === undefined) return []
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
    return [`stormo_${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`]
  })
  return lines.length > 0 ? `# HELP stormo_${name} ${help}\n# TYPE stormo_${name} ${type}\n${lines.join('')}` : ''
}

/** Size of an LMDB environment's file. */
export function databaseBytes(directory: string): number | undefined {
  return statSync(join(directory, 'data.mdb'), { throwIfNoEntry: false })?.size
}
