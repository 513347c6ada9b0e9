import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../lib/log.ts'
import { watchDeparture } from './departure.ts'

/** A clock whose timers run when they are told to. */
function handClock() {
  const waiting: (() => void)[] = []
  return {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after(_delayMs: number, run: () => void) {
      waiting.push(run)
      return { cancel: () => void waiting.splice(waiting.indexOf(run), 1) }
    },
    pass: () => waiting.splice(0).forEach((run) => run()),
    waiting,
  }
}

it('ends the agent when its identity is gone, and not before', () => {
  const dir = mkdtempSync(join(tmpdir(), 'stormo-departure-'))
  const path = join(dir, 'identity')
  writeFileSync(path, '')
  const clock = handClock()
  const { signal } = watchDeparture(path, clock, silentLogger)
  clock.pass()
  expect(signal.aborted).toBe(false)
  rmSync(dir, { recursive: true })
  clock.pass()
  expect(signal.aborted).toBe(true)
  expect(clock.waiting).toHaveLength(0)
})

it('leaves no timer when it is stopped', () => {
  const clock = handClock()
  watchDeparture('/', clock, silentLogger).stop()
  expect(clock.waiting).toHaveLength(0)
})
