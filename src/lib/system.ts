import { randomBytes, randomFillSync } from 'node:crypto'
import type { Clock, Random } from './clock.ts'

/** The machine's own clock. `process.hrtime` follows CLOCK_MONOTONIC. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Fetched ahead: most askers want sixteen bytes, and each call into the kernel costs more than they do. */
const pool = Buffer.alloc(4096)
let used = pool.length

function take(length: number): Buffer {
  if (length > pool.length / 4) return randomBytes(length)
  if (used + length > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const taken = pool.subarray(used, used + length)
  used += length
  return taken
}

/** The machine's own source of chance. */
export const systemRandom: Random = {
  next: () => take(6).readUIntBE(0, 6) / 2 ** 48,
  // A copy, and none left behind: keys are made of these bytes too.
  bytes(length) {
    const taken = take(length)
    const copy = new Uint8Array(taken)
    taken.fill(0)
    return copy
  },
}
