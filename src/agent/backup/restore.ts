import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { restoreCluster } from '../../decision/bootstrap.ts'
import { openLmdbLogStorage } from '../../decision/lmdb-log-storage.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { saveIdentity } from '../../pki/identity-directory.ts'
import { createNodeIdentity } from '../../pki/node-identity.ts'
import { lmdbDisk } from '../../store/lmdb-disk.ts'
import { openStore } from '../../store/object-store.ts'
import type { Change } from '../../store/replica.ts'
import { descriptionOf, refuseMember, written } from '../init.ts'
import { writeKubeconfig } from '../kubeconfig-file.ts'
import { saveMembership } from '../membership-file.ts'
import { kubeconfigPath, paths, type Settings } from '../settings.ts'
import { decodeBackup, type BackupHeader } from './backup-format.ts'

/** Documents written to the disk at once. */
const batchSize = 500

/**
 * Makes a new cluster of one out of a backup: its objects, addresses and keys, with this machine as the only member.
 * The file is read twice, so that nothing is made from one that is damaged. Starts nothing.
 */
export async function restoreBackup(
  settings: Settings,
  file: string,
  progress: (line: string) => void,
): Promise<{ documents: number }> {
  await refuseMember(settings.dataDir)
  const { header, state } = await examine(file)
  const { secrets, config, generation, index } = header
  progress(`Backup of "${secrets.clusterName}" of ${new Date(header.createdMs).toISOString()}: whole and readable.`)
  const files = paths(settings.dataDir)
  await mkdir(settings.dataDir, { recursive: true, mode: 0o700 })
  const node = await createNodeIdentity(settings.nodeName)
  const log = openLmdbLogStorage(files.log)
  const description = descriptionOf(settings, node.peerId)
  const self = await restoreCluster(log, { generation, index, chunks: state }, description).finally(() => log.close())
  const documents = await restoreDocuments(file, files.store, header, self.number)
  await saveMembership(files.member, { format: 1, self, config, members: [self], settings: written(settings) })
  await writeKubeconfig(kubeconfigPath(settings.configDir), secrets, self.apiUrl)
  // The identity comes last: a machine that has one is a member.
  await saveIdentity(files.identity, { cluster: secrets, node })
  return { documents }
}

async function examine(file: string): Promise<{ header: BackupHeader; state: Uint8Array[] }> {
  let header: BackupHeader | undefined
  const state: Uint8Array[] = []
  for await (const record of decodeBackup(createReadStream(file))) {
    if (record.type === 'header') header ??= record.header
    if (record.type === 'state') state.push(record.chunk)
  }
  if (!header) throw new Error('the backup has no header: the file is damaged')
  return { header, state }
}

async function restoreDocuments(
  file: string,
  path: string,
  { secrets }: BackupHeader,
  nodeNumber: number,
): Promise<number> {
  const [encryption] = secrets.encryptionKeys
  if (!encryption) throw new Error('the backup holds no encryption key: the file is damaged')
  const disk = lmdbDisk({ path, encryptionKey: Buffer.from(encryption.key, 'base64') })
  try {
    const common = { clock: systemClock, random: systemRandom, logger: silentLogger }
    // Documents are taken over as they are: nothing asks how fields merge.
    const store = await openStore({ ...common, disk, nodeNumber, layout: { listKeys: () => undefined } })
    let waiting: Change[] = []
    let count = 0
    const take = async () => {
      const { refused } = await store.merge(waiting)
      if (refused > 0)
        throw new Error(
          `${refused} objects are dated in the future or damaged: set this machine's clock, and try again`,
        )
      count += waiting.length
      waiting = []
    }
    for await (const record of decodeBackup(createReadStream(file))) {
      if (record.type !== 'document') continue
      const { key, uid, encoded } = record.document
      waiting.push({ type: 'document', key, uid, update: encoded })
      if (waiting.length >= batchSize) await take()
    }
    await take()
    await store.stop()
    return count
  } finally {
    await disk.close()
  }
}
