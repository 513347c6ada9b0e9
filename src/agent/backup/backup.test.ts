import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { initCluster } from '../../decision/bootstrap.ts'
import { ClusterMachine } from '../../decision/cluster-machine.ts'
import { openLmdbLogStorage } from '../../decision/lmdb-log-storage.ts'
import { encodeMachine } from '../../decision/machine-snapshot.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { createClusterSecrets } from '../../pki/cluster-secrets.ts'
import { loadIdentity } from '../../pki/identity-directory.ts'
import { lmdbDisk } from '../../store/lmdb-disk.ts'
import { memoryDisk } from '../../store/memory-disk.ts'
import { openStore } from '../../store/object-store.ts'
import { initCluster as initAgent } from '../init.ts'
import { defaultClusterConfig, loadMembership } from '../membership-file.ts'
import { recoverCluster } from '../recover.ts'
import { paths, readSettings } from '../settings.ts'
import { backupFormat, decodeBackup, encodeBackup, type BackupHeader } from './backup-format.ts'
import { makeBackup } from './make-backup.ts'
import { restoreBackup } from './restore.ts'

const secrets = await createClusterSecrets('saved', systemClock.nowMs(), systemRandom)
const key = { group: '', resource: 'configmaps', namespace: 'default', name: 'a' }
const common = { clock: systemClock, random: systemRandom, logger: silentLogger, layout: { listKeys: () => undefined } }

async function backup(): Promise<Buffer> {
  const store = await openStore({ ...common, disk: memoryDisk(), nodeNumber: 1 })
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default' },
    data: { b: 'c' },
  }
  await store.write({ op: 'create', key, object, decided: false })
  const machine = new ClusterMachine()
  const member = { node: 'old', peer: 'p', addresses: [], apiUrl: 'https://old:6443', zone: '' }
  machine.apply({ id: '', command: { type: 'member-add', member } }, 1)
  const decisions = { snapshot: () => ({ generation: 3, index: 7, chunks: encodeMachine(machine) }) }
  const config = defaultClusterConfig
  return Buffer.concat([...makeBackup({ replica: store, decisions, secrets, config, clock: systemClock })])
}

const read = async (bytes: Uint8Array, chunkBytes: number): Promise<string[]> => {
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
  }
  return (await Array.fromAsync(decodeBackup(chunks()))).map(({ type }) => type)
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'stormo-backup-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

const settingsIn = (path: string) =>
  readSettings(
    {
      dataDir: join(path, 'data'),
      configDir: join(path, 'etc'),
      nodeName: 'new',
      advertiseAddress: '127.0.0.1',
      apiPort: '1',
    },
    {},
  )

test('a backup is read however its bytes arrive', async () => {
  const bytes = await backup()
  for (const size of [1, 100, bytes.length]) expect(await read(bytes, size)).toEqual(['header', 'state', 'document'])
})

test('a backup that was cut short or damaged is refused, wherever', async () => {
  const bytes = await backup()
  for (const part of [0.3, 0.9, 0.999]) {
    const cut = bytes.subarray(0, Math.floor(bytes.length * part))
    await expect(read(cut, 1000)).rejects.toThrow(/ends early/)
    const damaged = Buffer.from(bytes)
    damaged[cut.length] = (damaged[cut.length] ?? 0) ^ 1
    await expect(read(damaged, 1000)).rejects.toThrow()
  }
  await expect(read(Buffer.from('apiVersion: v1\nkind: List\n'), 1000)).rejects.toThrow(/no backup of stormo/)
})

test('a backup of an unknown format is refused, with what to do', async () => {
  const header = { format: backupFormat + 1 } as BackupHeader
  const bytes = Buffer.concat([...encodeBackup({ header, state: [], documents: [] })])
  await expect(read(bytes, 1000)).rejects.toThrow(/format 2; this version of stormo reads format 1\. Restore it with/)
})

test('a new cluster from a backup has the objects and keys of the old one, and this machine alone', async () => {
  const path = await directory()
  const file = join(path, 'saved.backup')
  await writeFile(file, await backup())
  const settings = settingsIn(path)
  expect(await restoreBackup(settings, file, () => undefined)).toEqual({ documents: 1 })
  const files = paths(settings.dataDir)
  expect((await loadIdentity(files.identity))?.cluster).toEqual(secrets)
  expect((await loadMembership(files.member))?.members).toMatchObject([{ node: 'new', number: 2 }])
  const disk = lmdbDisk({
    path: files.store,
    encryptionKey: Buffer.from(secrets.encryptionKeys[0]?.key ?? '', 'base64'),
  })
  const store = await openStore({ ...common, disk, nodeNumber: 2 })
  expect(store.get(key)).toMatchObject({ data: { b: 'c' } })
  await disk.close()
  await expect(restoreBackup(settings, file, () => undefined)).rejects.toThrow(/already new of cluster "saved"/)
})

test('a damaged backup leaves the machine as it was', async () => {
  const path = await directory()
  const file = join(path, 'saved.backup')
  await writeFile(file, (await backup()).subarray(0, -1))
  const settings = settingsIn(path)
  await expect(restoreBackup(settings, file, () => undefined)).rejects.toThrow(/ends early/)
  const log = openLmdbLogStorage(paths(settings.dataDir).log)
  expect(await initCluster(log, { node: 'new', peer: 'p', addresses: [], apiUrl: '', zone: '' })).toBeDefined()
  await log.close()
})

test('a recovery raises the generation and is written down', async () => {
  const settings = settingsIn(await directory())
  await expect(recoverCluster({ dataDir: settings.dataDir, clock: systemClock })).rejects.toThrow(/no member/)
  await initAgent(settings, 'lost')
  const recovered = await recoverCluster({ dataDir: settings.dataDir, clock: systemClock })
  expect(recovered).toMatchObject({ generation: 2, members: ['new'] })
  const log = openLmdbLogStorage(paths(settings.dataDir).log)
  expect(log.load()?.generation).toBe(2)
  await log.close()
})
