import { expect, test } from 'vitest'
import { keepInStep } from './keep-in-step.ts'
import { VirtualClock } from './testing/virtual-clock.ts'

function rig(sync: (runs: number) => Promise<void>, settleMs?: number) {
  const clock = new VirtualClock()
  const stopping = new AbortController()
  const errors: unknown[] = []
  const state = { runs: 0, listens: false, changed: () => {} }
  const ended = keepInStep(
    {
      clock,
      settleMs,
      retryMs: 500,
      sync: () => sync(++state.runs),
      onChange(changed) {
        Object.assign(state, { changed, listens: true })
        return () => (state.listens = false)
      },
      onError: (error) => errors.push(error),
    },
    stopping.signal,
  )
  return { clock, state, errors, ended, stop: () => stopping.abort() }
}

test('runs at once, then once for changes that come together', async () => {
  const { clock, state } = rig(() => Promise.resolve(), 100)
  await clock.pass(1_000)
  expect(state.runs).toBe(1)
  for (let change = 0; change < 5; change++) state.changed()
  await clock.pass(99)
  expect(state.runs).toBe(1)
  await clock.pass(1)
  expect(state.runs).toBe(2)
})

test('never runs twice at a time; a change meanwhile is not lost', async () => {
  const first = Promise.withResolvers<void>()
  const { clock, state } = rig((runs) => (runs === 1 ? first.promise : Promise.resolve()))
  await clock.pass(10)
  state.changed()
  await clock.pass(10)
  expect(state.runs).toBe(1)
  first.resolve()
  await clock.pass(10)
  expect(state.runs).toBe(2)
})

test('is tried again after a failure, and ends when told, with nothing left running', async () => {
  const { clock, state, errors, ended, stop } = rig((runs) =>
    runs < 3 ? Promise.reject(new Error(`${runs}`)) : Promise.resolve(),
  )
  await clock.pass(499)
  expect(state.runs).toBe(1)
  await clock.pass(2_000)
  expect(state.runs).toBe(3)
  expect(errors.map(String)).toEqual(['Error: 1', 'Error: 2'])
  stop()
  await ended
  expect(state.listens).toBe(false)
  state.changed()
  await clock.pass(1_000)
  expect(state.runs).toBe(3)
})
