import { beforeEach, expect, test } from 'vitest'
import type { Event } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { silentLogger } from '../lib/log.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { createMemoryCluster, type MemoryCluster } from '../kubelet/testing/memory-cluster.ts'
import { createEventRecorder } from './event-recorder.ts'

const web = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'web', uid: 'uid-web' }
const tenMinutesMs = 10 * 60_000

let clock: VirtualClock
let cluster: MemoryCluster
let recorder: ReturnType<typeof createEventRecorder>

beforeEach(() => {
  clock = new VirtualClock()
  cluster = createMemoryCluster(() => clock.nowMs())
  let number = 0
  recorder = createEventRecorder({
    client: cluster.client,
    clock,
    random: { next: () => 0.5, bytes: (length) => new Uint8Array(length).fill(number++) },
    logger: silentLogger,
    component: 'kubelet',
    host: 'node-1',
  })
})

async function events(): Promise<Event[]> {
  await clock.pass(1)
  return [...cluster.informers.for<Event>(refs.events).list()]
}

test('the same event again raises the count of the first', async () => {
  for (let time = 0; time < 3; time++) recorder.event(web, 'Warning', 'BackOff', 'Back-off pulling image')
  expect(await events()).toMatchObject([{ reason: 'BackOff', count: 3, involvedObject: { name: 'web' } }])
})

test('many messages of one reason are told as one', async () => {
  for (let port = 0; port < 15; port++)
    recorder.event(web, 'Warning', 'Failed', `Failed to pull image: from port ${port}`)
  const all = await events()
  expect(all).toHaveLength(11)
  expect(all.at(-1)).toMatchObject({
    message: '(combined from similar events): Failed to pull image: from port 14',
    count: 5,
  })
})

test('what was said long ago is said anew, and one object’s events are not without end', async () => {
  recorder.event(web, 'Normal', 'Pulled', 'Container image already present')
  await clock.pass(tenMinutesMs)
  recorder.event(web, 'Normal', 'Pulled', 'Container image already present')
  expect(await events()).toMatchObject([{ count: 1 }, { count: 1 }])
  for (let time = 0; time < 100; time++) recorder.event(web, 'Normal', 'Pulled', 'again and again')
  expect((await events()).at(-1)?.count).toBeLessThan(25)
})
