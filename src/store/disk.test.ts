import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diskContract } from '../../test/support/disk-contract.ts'
import { lmdbDisk } from './lmdb-disk.ts'
import { memoryDisk } from './memory-disk.ts'

describe('memory disk', () => {
  diskContract(() => {
    const disk = memoryDisk()
    return Promise.resolve({ disk, reopen: () => Promise.resolve(disk), dispose: () => disk.close() })
  })

  test('a crash loses what was not synced, and nothing else', async () => {
    const pending: (() => void)[] = []
    const disk = memoryDisk((done) => pending.push(done))
    const first = disk.commit({ put: [['a', Uint8Array.of(1)]], remove: [] })
    await Promise.resolve()
    pending.shift()?.()
    await first
    void disk.commit({ put: [['b', Uint8Array.of(2)]], remove: [] })
    await Promise.resolve()
    disk.crash()
    pending.shift()?.()
    expect([...disk.load('')]).toEqual([['a', Uint8Array.of(1)]])
  })
})

describe('lmdb disk', () => {
  const key = new Uint8Array(32).fill(7)

  diskContract(async () => {
    const path = await mkdtemp(join(tmpdir(), 'store-disk-'))
    let disk = lmdbDisk({ path, encryptionKey: key })
    return {
      disk,
      async reopen() {
        await disk.close()
        disk = lmdbDisk({ path, encryptionKey: key })
        return disk
      },
      async dispose() {
        await disk.close()
        await rm(path, { recursive: true })
      },
    }
  })

  test('what lies on disk cannot be read without the key', async () => {
    const path = await mkdtemp(join(tmpdir(), 'store-disk-'))
    const disk = lmdbDisk({ path, encryptionKey: key })
    await disk.commit({ put: [['s', new TextEncoder().encode('a-very-secret-password')]], remove: [] })
    await disk.close()
    const { readFile } = await import('node:fs/promises')
    expect((await readFile(join(path, 'data.mdb'))).includes('a-very-secret-password')).toBe(false)
    expect(() => lmdbDisk({ path, encryptionKey: new Uint8Array(32).fill(8) })).toThrow(/another encryption key/)
    await rm(path, { recursive: true })
  })
})
