import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forceRecover } from '../decision/bootstrap.ts'
import { openLmdbLogStorage } from '../decision/lmdb-log-storage.ts'
import type { Clock } from '../lib/clock.ts'
import { loadIdentity } from '../pki/identity-directory.ts'
import { refuseRunning } from './reset.ts'
import { paths } from './settings.ts'

/** What was done, one JSON line each, below the data directory. */
const recoveriesFile = 'recoveries.log'

/**
 * Makes this machine the only voter of a new generation of the decision log, after a majority of the voters is gone
 * for good (see {@link forceRecover} for what is lost). The agent must have been stopped. Written down before it returns.
 */
export async function recoverCluster(options: {
  dataDir: string
  clock: Clock
}): Promise<{ generation: number; index: number; members: string[] }> {
  const { dataDir, clock } = options
  const files = paths(dataDir)
  const identity = await loadIdentity(files.identity)
  if (!identity) throw new Error('this machine is no member of a cluster: there is nothing to recover')
  await refuseRunning(dataDir, 'recover')
  const storage = openLmdbLogStorage(files.log)
  try {
    const { nodeName: node, peerId: peer } = identity.node
    const { generation, index, members } = await forceRecover(storage, { node, peer })
    const recovered = { generation, index, members: members.map((member) => member.node) }
    const line = { at: new Date(clock.nowMs()).toISOString(), node, ...recovered }
    await appendFile(join(dataDir, recoveriesFile), `${JSON.stringify(line)}\n`, { mode: 0o600, flush: true })
    return recovered
  } finally {
    await storage.close()
  }
}
