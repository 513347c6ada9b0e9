import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { withAnySignal } from './with-any-signal.ts'

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }))

test('the first source that is aborted gives the reason', async () => {
  const [one, two] = [new AbortController(), new AbortController()]
  const reason = withAnySignal([one.signal, two.signal], aborted)
  two.abort('two')
  one.abort('one')
  expect(await reason).toBe('two')
})

test('a source that is aborted already aborts at once', async () => {
  const late = new AbortController()
  const signals = [late.signal, AbortSignal.abort('before')]
  expect(await withAnySignal(signals, (signal) => Promise.resolve(signal.reason))).toBe('before')
})

test('nothing stays with a source that outlives the work, whether it succeeds or fails', async () => {
  const long = new AbortController()
  await withAnySignal([long.signal], () => Promise.resolve())
  await expect(withAnySignal([long.signal], () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(getEventListeners(long.signal, 'abort')).toEqual([])
})
