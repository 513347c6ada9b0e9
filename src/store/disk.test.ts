import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diskContract } from '../../test/support/disk-contract.ts'
import { must } from '../lib/assert.ts'
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

  /** Commits of a process of its own, as it told them, and what then is on the disk. */
  async function writtenBy(limits: string[], hear: (said: string, pid: number) => void) {
    const path = await mkdtemp(join(tmpdir(), 'store-disk-'))
    const script = join(import.meta.dirname, 'testing/disk-writer.ts')
    const command = [...limits, process.execPath, script, path]
    const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    for await (const chunk of child.stdout) {
      said += String(chunk)
      hear(said, must(child.pid, 'it runs'))
    }
    const disk = lmdbDisk({ path })
    const entries = new Map<number, number>()
    for (const [name] of disk.load('d/')) {
      const commit = Number(name.split('/')[1])
      entries.set(commit, (entries.get(commit) ?? 0) + 1)
    }
    await disk.close()
    await rm(path, { recursive: true })
    const told = (word: string) =>
      [...said.matchAll(new RegExp(`^${word} (\\d+)`, 'gm'))].map(([, commit]) => Number(commit))
    return { said, committed: told('committed'), refused: told('refused'), entries }
  }

  test('what was acknowledged is there after kill -9, and every commit whole or not at all', async () => {
    const { committed, entries } = await writtenBy([], (said, pid) => {
      if (said.split('\n').length > 30) process.kill(pid, 'SIGKILL')
    })
    expect(committed.length).toBeGreaterThanOrEqual(30)
    expect(committed.filter((commit) => entries.get(commit) !== 20)).toEqual([])
    expect([...entries.values()].filter((count) => count !== 20)).toEqual([])
  })

  test('a full disk refuses commits whole, ends no process, and takes them again once there is room', async () => {
    const limit = (bytes: string) => `--fsize=${bytes}:unlimited`
    const { said, committed, refused, entries } = await writtenBy(['prlimit', limit('1500000')], (heard, pid) => {
      if (heard.includes('refused')) execFileSync('prlimit', ['--pid', String(pid), limit('unlimited')])
    })
    expect(refused, said).toHaveLength(1)
    const [full = 0] = refused
    expect(full).toBeGreaterThan(10)
    expect(committed).toEqual(Array.from({ length: full + 1 }, (_, commit) => commit))
    expect(committed.filter((commit) => entries.get(commit) !== 20)).toEqual([])
  })
})
