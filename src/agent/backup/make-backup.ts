import type { DecisionLog } from '../../decision/decision-log.ts'
import type { Clock } from '../../lib/clock.ts'
import type { ClusterSecrets } from '../../pki/cluster-secrets.ts'
import { bucketCount } from '../../store/digest.ts'
import type { Replica } from '../../store/replica.ts'
import type { ClusterConfig } from '../membership-file.ts'
import { backupFormat, encodeBackup, type BackedUpDocument } from './backup-format.ts'

export interface BackupSources {
  replica: Pick<Replica, 'digests' | 'document'>
  decisions: Pick<DecisionLog, 'snapshot'>
  secrets: ClusterSecrets
  config: ClusterConfig
  clock: Clock
}

/**
 * This node's replica and its part of the decision log as they are now, both at one moment, however slowly the bytes
 * are read. No key of any node is in it. What other nodes know and this one does not is not in it either.
 */
export function makeBackup({ replica, decisions, secrets, config, clock }: BackupSources): Iterable<Uint8Array> {
  const { generation, index, chunks } = decisions.snapshot()
  const documents: BackedUpDocument[] = []
  for (let bucket = 0; bucket < bucketCount; bucket += 1) {
    for (const { uid } of replica.digests.entries(bucket)) {
      const document = replica.document(uid)
      if (document) documents.push({ ...document, uid })
    }
  }
  const header = { format: backupFormat, createdMs: clock.nowMs(), config, secrets, generation, index }
  return encodeBackup({ header, state: chunks, documents })
}
