import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { underSignals } from './under-signals.ts'

const until = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })

test('the first source to fire ends the work, with its reason', async () => {
  const [one, two] = [new AbortController(), new AbortController()]
  const work = underSignals([one.signal, two.signal], until)
  two.abort(new Error('second'))
  one.abort(new Error('first'))
  await expect(work).rejects.toThrow('second')
  await expect(underSignals([one.signal], until)).rejects.toThrow('first')
})

test('time ends it too', async () => {
  await expect(underSignals([], until, 1)).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('nothing is kept by a source once the work is over', async () => {
  const { signal } = new AbortController()
  let during = 0
  await underSignals([signal], async (joined) => {
    joined.addEventListener('abort', () => {})
    during = getEventListeners(signal, 'abort').length
  })
  await expect(underSignals([signal], () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect([during, getEventListeners(signal, 'abort').length]).toEqual([1, 0])
})
