import type { Random } from '../lib/clock.ts'
import type { DiskBatch, Disk } from '../store/disk.ts'
import { memoryDisk, type MemoryDisk } from '../store/memory-disk.ts'
import { createMemoryLogStorage, type MemoryLogStorage } from '../decision/memory-log-storage.ts'
import type { CountHit } from './network.ts'
import type { VirtualTime } from './virtual-time.ts'

const usualSyncMs = 2
const slowSyncMs = 150
const pollMs = 20

/** The disk of a simulated machine: the store's and the log's part of it. It outlives the process. */
export class SimulatedDisk {
  readonly store: Disk
  readonly log: MemoryLogStorage
  isSlow = false
  /** While set, nothing becomes durable. */
  isStalled = false
  /** Called once, when the next commit has begun and is not durable. */
  onCommit: (() => void) | undefined
  readonly #memory: MemoryDisk
  readonly #countHit: CountHit
  #underWay: DiskBatch | undefined
  #isStoreFull = false

  constructor(time: VirtualTime, chance: Random, countHit: CountHit) {
    this.#countHit = countHit
    const sync = (done: () => void): void => {
      if (this.isStalled) {
        countHit('disk.stall')
        time.after(pollMs, () => sync(done))
        return
      }
      if (this.isSlow) countHit('disk.slow')
      time.after((this.isSlow ? slowSyncMs : usualSyncMs) * chance.next(), done)
    }
    this.#memory = memoryDisk(sync)
    this.log = createMemoryLogStorage(() => {
      if (this.log.failWith) countHit('disk.log-full')
      return new Promise((resolve) => sync(resolve))
    })
    this.store = {
      load: (prefix) => this.#memory.load(prefix),
      get: (key) => this.#memory.get(key),
      commit: async (batch) => {
        this.#underWay = batch
        if (this.#isStoreFull) countHit('disk.store-full')
        const committed = this.#memory.commit(batch)
        const interrupt = this.onCommit
        this.onCommit = undefined
        interrupt?.()
        await committed
        if (this.#underWay === batch) this.#underWay = undefined
      },
      // The process goes; the machine's disk stays.
      close: () => Promise.resolve(),
    }
  }

  /** Power-off. With `isTorn`, a record that was new in the last write is left cut short. */
  crash(isTorn = false): void {
    this.#memory.crash()
    this.log.crash()
    const torn = isTorn
      ? this.#underWay?.put.find(([key]) => key.startsWith('d/') && !this.#memory.get(key))
      : undefined
    this.#underWay = undefined
    if (!torn) return
    this.#countHit('disk.torn-write')
    void this.#memory.commit({ put: [[torn[0], torn[1].slice(0, torn[1].length >> 1)]], remove: [] })
  }

  setStoreFull(isFull: boolean): void {
    this.#isStoreFull = isFull
    this.#memory.setFull(isFull)
  }

  setLogFull(isFull: boolean): void {
    this.log.failWith = isFull ? new Error('no space left on device') : undefined
  }

  /** A bit of one stored document flips. */
  rot(uid: string): boolean {
    if (!this.#memory.get(`d/${uid}`)) return false
    this.#memory.corrupt(`d/${uid}`)
    return true
  }
}
