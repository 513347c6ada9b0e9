import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, describe, expect, test } from 'vitest'
import { openLmdbLogStorage } from './lmdb-log-storage.ts'
import type { LogStorage } from './log-storage.ts'
import { createMemoryLogStorage } from './memory-log-storage.ts'
import type { Entry } from '../raft/core/types.ts'

const data = (index: number, term: number, text = `e${index}`): Entry => ({
  kind: 'data',
  index,
  term,
  data: new TextEncoder().encode(text),
})
const config = { voters: ['a', 'b'], learners: ['c'] }
const snapshotAt = (index: number) => ({
  meta: { index, term: 2, config },
  chunks: [new Uint8Array([1, 2]), new Uint8Array([3, index])],
})

const paths: string[] = []
afterEach(() => {
  for (const path of paths.splice(0)) rmSync(path, { recursive: true, force: true })
})
function newPath(): string {
  const path = mkdtempSync(join(tmpdir(), 'decision-log-'))
  paths.push(path)
  return path
}

/** `reopen` stands for a crash just after the last write resolved. */
const makers: Record<string, () => { storage: LogStorage; reopen(): Promise<LogStorage> }> = {
  memory: () => {
    const storage = createMemoryLogStorage()
    return {
      storage,
      reopen: () => {
        storage.crash()
        return Promise.resolve(storage)
      },
    }
  },
  lmdb: () => {
    const path = newPath()
    const storage = openLmdbLogStorage(path)
    return {
      storage,
      async reopen() {
        await storage.close()
        return openLmdbLogStorage(path)
      },
    }
  },
}

describe.each(Object.entries(makers))('log storage: %s', (_name, make) => {
  test('a new disk is empty', () => {
    expect(make().storage.load()).toBeUndefined()
  })

  test('what was written is there after a crash', async () => {
    const { storage, reopen } = make()
    const hardState = { term: 2, vote: 'a', commit: 1 }
    const noop: Entry = { kind: 'noop', index: 2, term: 2 }
    const change: Entry = { kind: 'config', index: 3, term: 2, config }
    await storage.write({ entries: [data(1, 1), noop, change], hardState, generation: 4 })
    const again = await reopen()
    expect(again.load()).toEqual({ generation: 4, hardState, snapshot: undefined, entries: [data(1, 1), noop, change] })
    await again.close()
  })

  test('entries replace everything from the first on', async () => {
    const { storage, reopen } = make()
    await storage.write({ entries: [data(1, 1), data(2, 1), data(3, 1)] })
    await storage.write({ entries: [data(2, 2, 'new')] })
    const again = await reopen()
    expect(again.load()?.entries).toEqual([data(1, 1), data(2, 2, 'new')])
    await again.close()
  })

  test('compacting keeps the entries after the snapshot, and only the newest snapshot', async () => {
    const { storage, reopen } = make()
    await storage.write({ entries: [data(1, 1), data(2, 2), data(3, 2)] })
    await storage.compact(snapshotAt(1))
    await storage.compact(snapshotAt(2))
    const again = await reopen()
    expect(again.load()).toMatchObject({ snapshot: snapshotAt(2), entries: [data(3, 2)] })
    expect(again.snapshotInfo()).toEqual({ meta: snapshotAt(2).meta, chunkCount: 2 })
    expect(again.snapshotChunk(2, 1)).toEqual(new Uint8Array([3, 2]))
    expect(again.snapshotChunk(1, 1)).toBeUndefined()
    expect(again.snapshotChunk(2, 2)).toBeUndefined()
    await again.close()
  })

  test('a snapshot that is installed replaces the whole log', async () => {
    const { storage, reopen } = make()
    await storage.write({ entries: [data(1, 1), data(2, 1)] })
    await storage.write({
      snapshot: snapshotAt(9),
      entries: [data(10, 3)],
      hardState: { term: 3, vote: null, commit: 9 },
    })
    const again = await reopen()
    expect(again.load()).toMatchObject({ snapshot: snapshotAt(9), entries: [data(10, 3)] })
    await again.close()
  })

  test('many writes at once all become durable, in order', async () => {
    const { storage, reopen } = make()
    await Promise.all(Array.from({ length: 50 }, (_, at) => storage.write({ entries: [data(at + 1, 1)] })))
    const again = await reopen()
    expect(again.load()?.entries.map((entry) => entry.index)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1))
    await again.close()
  })
})

describe('memory log storage', () => {
  test('a crash loses what has not resolved', async () => {
    const storage = createMemoryLogStorage(() => new Promise((resolve) => setImmediate(resolve)))
    await storage.write({ entries: [data(1, 1)] })
    void storage.write({ entries: [data(2, 1)] })
    storage.crash()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(storage.load()?.entries).toEqual([data(1, 1)])
  })
})

describe('lmdb log storage', () => {
  async function damage(name: string, key: string | number, change: (bytes: Buffer) => Buffer | undefined) {
    const path = newPath()
    const storage = openLmdbLogStorage(path)
    await storage.write({ entries: [data(1, 1), data(2, 1), data(3, 1)], hardState: { term: 1, vote: 'a', commit: 2 } })
    await storage.close()
    const root = open({ path, encoding: 'binary', maxDbs: 4 })
    const db = root.openDB<Buffer, string | number>({ name, encoding: 'binary' })
    const changed = change(Buffer.from(db.get(key) ?? []))
    if (changed) await db.put(key, changed)
    else await db.remove(key)
    await root.close()
    return path
  }
  const flip = (bytes: Buffer): Buffer => {
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
    return bytes
  }

  test('a flipped bit in an entry is found', async () => {
    const storage = openLmdbLogStorage(await damage('entries', 2, flip))
    expect(() => storage.load()).toThrow(/checksum of entry 2/)
    await storage.close()
  })

  test('a lost entry is found', async () => {
    const storage = openLmdbLogStorage(await damage('entries', 2, () => undefined))
    expect(() => storage.load()).toThrow(/gap before entry 3/)
    await storage.close()
  })

  test('a flipped bit in the vote is found', async () => {
    const path = await damage('meta', 'log', flip)
    expect(() => openLmdbLogStorage(path)).toThrow(/checksum of log/)
  })
})
