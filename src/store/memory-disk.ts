import type { Disk, DiskBatch } from './disk.ts'

/** A disk for tests and simulation, which can lose power and fill up. */
export interface MemoryDisk extends Disk {
  /** Power-off: whatever was not durable is gone, and commits under way never resolve. The disk can be used again at once. */
  crash(): void
  /** From now on commits reject, until called with false. */
  setFull(full: boolean): void
  /** Flips a bit of a stored value, as a bad sector does. */
  corrupt(key: string): void
  /** Number of stored entries. */
  readonly size: number
}

/** `sync` stands for fsync: it calls back when the bytes would be on stable storage. Default: a microtask later. */
export function memoryDisk(sync: (done: () => void) => void = queueMicrotask): MemoryDisk {
  const stored = new Map<string, Uint8Array>()
  let life = 0
  let full = false
  let tail = Promise.resolve()
  const apply = (batch: DiskBatch) => {
    for (const [key, value] of batch.put) stored.set(key, value.slice())
    for (const key of batch.remove) stored.delete(key)
  }
  return {
    *load(prefix) {
      const keys = [...stored.keys()].filter((key) => key.startsWith(prefix)).toSorted()
      for (const key of keys) {
        const value = stored.get(key)
        if (value) yield [key, value.slice()]
      }
    },
    get: (key) => stored.get(key)?.slice(),
    commit(batch) {
      const begun = life
      const durable = tail.then(
        () =>
          new Promise<void>((resolve, reject) => {
            if (begun !== life) return
            if (full) {
              reject(new Error('no space left on device'))
              return
            }
            sync(() => {
              if (begun !== life) return
              apply(batch)
              resolve()
            })
          }),
      )
      tail = durable.catch(() => undefined)
      return durable
    },
    close: () => tail,
    crash() {
      life += 1
      tail = Promise.resolve()
    },
    setFull: (value) => void (full = value),
    corrupt(key) {
      const value = stored.get(key)
      const middle = value ? value.length >> 1 : 0
      if (value) value[middle] = (value[middle] ?? 0) ^ 0x10
    },
    get size() {
      return stored.size
    },
  }
}
