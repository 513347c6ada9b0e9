import { expect, test } from 'vitest'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { pollUntil } from './poll.ts'

test('work is done again after its time, also after a failure, until the signal is aborted', async () => {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const failures: unknown[] = []
  let count = 0
  const polling = pollUntil(
    stop.signal,
    { clock, everyMs: 1000, onError: (error) => failures.push(error) },
    async () => {
      if (++count === 2) throw new Error('not now')
    },
  )
  await clock.pass(2500)
  expect([count, failures.length]).toEqual([3, 1])
  stop.abort()
  await polling
  await clock.pass(5000)
  expect(count).toBe(3)
})
