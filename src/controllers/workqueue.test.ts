import { expect, test } from 'vitest'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { createWorkQueue } from './workqueue.ts'

function queueOf(work: (key: string) => Promise<void>, concurrency = 2) {
  const clock = new VirtualClock()
  const errors: string[] = []
  const queue = createWorkQueue({
    clock,
    concurrency,
    baseDelayMs: 100,
    maxDelayMs: 400,
    work,
    onError: (key) => void errors.push(key),
  })
  return { clock, queue, errors }
}

test('a key is worked on once however often it was added, and never twice at a time', async () => {
  const done: string[] = []
  let active = 0
  let most = 0
  let release = (): void => undefined
  const { clock, queue } = queueOf(async (key) => {
    most = Math.max(most, ++active)
    await new Promise<void>((resolve) => (release = resolve))
    active--
    done.push(key)
  })
  for (let time = 0; time < 5; time++) queue.add('a')
  await clock.pass(1)
  queue.add('a')
  queue.add('a')
  expect(most).toBe(1)
  release()
  await clock.pass(1)
  release()
  await clock.pass(1)
  expect(done).toEqual(['a', 'a'])
  expect(most).toBe(1)
})

test('a key that fails comes back after a wait that doubles up to its bound, and starts small after a success', async () => {
  const at: number[] = []
  const { clock, queue, errors } = queueOf(async () => {
    at.push(clock.monotonicMs())
    if (at.length !== 5) throw new Error('no')
  })
  queue.add('a')
  await clock.pass(5000)
  expect(at.slice(1).map((ms, index) => ms - at[index]!)).toEqual([100, 200, 400, 400])
  expect(errors).toHaveLength(4)
  queue.add('a')
  await clock.pass(150)
  expect(at[6]! - at[5]!).toBe(100)
})

test('the earlier of two waits counts', async () => {
  const at: number[] = []
  const { clock, queue } = queueOf(async () => void at.push(clock.monotonicMs()))
  const start = clock.monotonicMs()
  queue.addAfter('a', 5000)
  queue.addAfter('a', 1000)
  queue.addAfter('a', 3000)
  await clock.pass(10_000)
  expect(at).toEqual([start + 1000])
})

test('nothing is worked on within add, nor after stop', async () => {
  const done: string[] = []
  const { clock, queue } = queueOf(async (key) => void done.push(key))
  queue.add('a')
  expect(done).toEqual([])
  await clock.pass(1)
  expect(done).toEqual(['a'])
  queue.addAfter('b', 100)
  await queue.stop()
  queue.add('c')
  await clock.pass(1000)
  expect(done).toEqual(['a'])
})
