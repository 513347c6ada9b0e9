import { expect, test } from 'vitest'
import { sleep } from './sleep.ts'
import { VirtualClock } from './testing/virtual-clock.ts'

test('a sleep ends when its time is over', async () => {
  const clock = new VirtualClock()
  let isOver = false
  void sleep(clock, 1000, new AbortController().signal).then(() => (isOver = true))
  await clock.pass(999)
  expect(isOver).toBe(false)
  await clock.pass(1)
  expect(isOver).toBe(true)
})

test('a sleep is broken off with the reason, also when that was there before', async () => {
  const clock = new VirtualClock()
  const abort = new AbortController()
  const sleeping = sleep(clock, 1000, abort.signal)
  abort.abort(new Error('no longer needed'))
  await expect(sleeping).rejects.toThrow('no longer needed')
  await expect(sleep(clock, 1000, abort.signal)).rejects.toThrow('no longer needed')
})
