import { expect, test } from 'vitest'
import { storeMetrics } from './store-metrics.ts'

test('replica and log are told by node, and what is not known is left out', () => {
  const peer = { peer: 'p2', lagMs: 250, lastSyncMs: 0, missedBatches: 3, malformed: 0, refusal: undefined }
  const text = storeMetrics({
    replication: { peers: [peer], documents: 7, rootDigest: '', sessions: 2, failedSessions: 1, overflowed: 0 },
    log: {
      leader: 'n1',
      term: 4,
      commitIndex: 9,
      appliedIndex: 8,
      voters: ['n1', 'n2'],
      isLeader: true,
      lag: { n2: 5 },
    },
    tombstones: 1,
    refused: 0,
    isDiskFailing: true,
    storeBytes: 4096,
    logBytes: undefined,
    nodeOf: () => 'n2',
  })
  expect(text).toContain(
    '# HELP stormo_store_documents Objects of which this node holds a document or decided values.\n' +
      '# TYPE stormo_store_documents gauge\nstormo_store_documents 7\n',
  )
  for (const line of [
    'stormo_replication_lag_seconds{node="n2"} 0.25',
    'stormo_replication_missed_batches_total{node="n2"} 3',
    'stormo_decision_log_applied_index 8',
    'stormo_decision_log_voters 2',
    'stormo_decision_log_lag_entries{node="n2"} 5',
    'stormo_store_disk_bytes 4096',
    'stormo_store_disk_failing 1',
  ])
    expect(text.split('\n')).toContain(line)
  for (const absent of ['last_sync', 'generation', 'log_disk']) expect(text).not.toContain(absent)
  for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) )?stormo_[a-z_]+/)
})
