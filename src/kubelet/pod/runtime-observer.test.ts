import { expect, test } from 'vitest'
import { silentLogger } from '../../lib/log.ts'
import type { ContainerRuntime, RuntimeContainer } from '../../runtime/runtime.ts'
import { createRuntimeObserver } from './runtime-observer.ts'

const container = (id: string, state: RuntimeContainer['state']): RuntimeContainer =>
  ({
    id,
    state,
    role: 'container',
    name: id,
    pod: { uid: 'pod', namespace: 'default', name: 'pod' },
  }) as RuntimeContainer

/** A runtime whose answers come when the test says so, and an observer that has listed nothing. */
function harness() {
  const lists: ((found: RuntimeContainer[]) => void)[] = []
  const inspections: ((found: RuntimeContainer | undefined) => void)[] = []
  const timers: (() => void)[] = []
  const runtime = {
    list: () => new Promise<RuntimeContainer[]>((resolve) => lists.push(resolve)),
    inspect: () => new Promise<RuntimeContainer | undefined>((resolve) => inspections.push(resolve)),
    events: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
  } as unknown as ContainerRuntime
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_delayMs: number, run: () => void) => (timers.push(run), { cancel() {} }),
  }
  const observer = createRuntimeObserver({ runtime, clock, logger: silentLogger, onChange() {}, onHealth() {} })
  return { observer, lists, inspections, timers }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a container that was made while all were listed is not forgotten', async () => {
  const { observer, lists, inspections } = harness()
  await observer.start()
  const refreshed = observer.refresh('new')
  inspections[0]?.(container('new', 'running'))
  await refreshed
  lists[0]?.([])
  await settle()
  expect(observer.of('pod').map(({ id, state }) => [id, state])).toEqual([['new', 'running']])
})

test('an answer that was overtaken by a later look does not count', async () => {
  const { observer, lists, inspections } = harness()
  await observer.start()
  const first = observer.refresh('one')
  const second = observer.refresh('one')
  inspections[1]?.(container('one', 'exited'))
  await second
  inspections[0]?.(container('one', 'created'))
  await first
  lists[0]?.([container('one', 'created')])
  await settle()
  expect(observer.of('pod')[0]?.state).toBe('exited')
})

test('a listing does not let an older look bring back what is gone', async () => {
  const { observer, lists, inspections, timers } = harness()
  await observer.start()
  lists[0]?.([])
  await settle()
  const slow = observer.refresh('one')
  const quick = observer.refresh('one')
  inspections[1]?.(undefined)
  await quick
  timers[0]?.()
  lists[1]?.([])
  await settle()
  inspections[0]?.(container('one', 'running'))
  await slow
  expect(observer.of('pod')).toEqual([])
})
