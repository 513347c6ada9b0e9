import { randomBytes, randomFillSync } from 'node:crypto'
import { uptime } from 'node:os'
import type { Clock, Random } from './clock.ts'

/** How often it is asked whether the machine was suspended, and how much two clocks may differ besides. */
const suspensionCheckMs = 250
const resolutionMs = 50

/**
 * A clock that goes on while the machine is suspended (CLOCK_BOOTTIME), out of one that does not but is cheap to read, and
 * one that does. It may lag for the first 250 ms after a suspension.
 */
export function bootTimeClock(awakeMs: () => number, uptimeMs: () => number): () => number {
  let checkedMs = awakeMs()
  const baseMs = uptimeMs() - checkedMs
  let suspendedMs = 0
  return () => {
    const nowMs = awakeMs()
    if (nowMs - checkedMs >= suspensionCheckMs) {
      checkedMs = nowMs
      const foundMs = uptimeMs() - nowMs - baseMs
      if (foundMs - suspendedMs > resolutionMs) suspendedMs = foundMs
    }
    return nowMs + suspendedMs
  }
}

/** The machine's own clock. `process.hrtime` follows CLOCK_MONOTONIC, `uptime` CLOCK_BOOTTIME (clock_gettime(2)). */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: bootTimeClock(
    () => Number(process.hrtime.bigint() / 1000n) / 1000,
    () => uptime() * 1000,
  ),
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
