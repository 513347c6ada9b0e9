import { expect, test } from 'vitest'
import { bootTimeClock, systemRandom } from './system.ts'

test('bytes are as many as asked for, never the same twice, and not shared', () => {
  const seen = new Set<string>()
  for (let round = 0; round < 2000; round++) {
    const bytes = systemRandom.bytes(16)
    expect(bytes).toHaveLength(16)
    seen.add(Buffer.from(bytes).toString('hex'))
  }
  expect(seen.size).toBe(2000)
  expect(systemRandom.bytes(5000)).toHaveLength(5000)
  const first = systemRandom.bytes(8)
  const copy = Uint8Array.from(first)
  systemRandom.bytes(8).fill(1)
  expect(first).toEqual(copy)
})

test('fractions lie in [0, 1)', () => {
  for (let round = 0; round < 1000; round++) {
    const value = systemRandom.next()
    expect(value >= 0 && value < 1).toBe(true)
  }
})

test('time that the machine was suspended counts, and no clock runs backwards', () => {
  let [awakeMs, suspendedMs] = [1_000, 0]
  const now = bootTimeClock(
    () => awakeMs,
    // As coarse as /proc/uptime.
    () => Math.floor((awakeMs + suspendedMs + 5_000) / 10) * 10,
  )
  const start = now()
  awakeMs += 300
  expect(now() - start).toBe(300)
  suspendedMs = 60_000
  awakeMs += 300
  expect(Math.abs(now() - start - 60_600)).toBeLessThan(10)
  let last = now()
  for (let step = 0; step < 1_000; step++) {
    awakeMs += 7
    expect(now()).toBeGreaterThan(last)
    last = now()
  }
})
