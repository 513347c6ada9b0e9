import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { requestLifetimes } from './request-lifetime.ts'

const gone = new Error('gone')
const late = new Error('late')
function rig() {
  const stopping = new AbortController()
  const clock = new VirtualClock()
  const begin = requestLifetimes(stopping.signal, clock, gone)
  const request = (isLong = false) => {
    const response = new EventEmitter()
    return { response, lifetime: begin(response as never, isLong) }
  }
  return { stopping, clock, request }
}

test('a request ends with its client, its time or the server, whichever is first', async () => {
  const { stopping, clock, request } = rig()
  const [left, timed, stopped] = [request(), request(), request()]
  left.response.emit('close')
  expect(left.lifetime.signal.reason).toBe(gone)
  timed.lifetime.limit(1000, late)
  await clock.pass(1000)
  expect(timed.lifetime.signal.reason).toBe(late)
  stopping.abort('over')
  expect(stopped.lifetime.signal.reason).toBe('over')
  expect(request().lifetime.signal.reason).toBe('over')
})

test('nothing happens to one that is served, but an upgraded connection goes on', async () => {
  const { stopping, clock, request } = rig()
  const [short, long, longer] = [request(), request(true), request(true)]
  short.lifetime.limit(1000, late)
  for (const { lifetime } of [short, long, longer]) lifetime.end()
  await clock.pass(1000)
  short.response.emit('close')
  long.response.emit('close')
  stopping.abort('over')
  expect([short, long, longer].map(({ lifetime }) => lifetime.signal.reason)).toEqual([undefined, gone, 'over'])
})
