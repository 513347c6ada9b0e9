import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createHeap } from './heap.ts'
import { backoffMs, createSchedulingQueue } from './scheduling-queue.ts'
import { makePod } from './testing/objects.ts'

const event = { kind: 'storage-changed' } as const

describe('the queue', () => {
  test('priority first, then the earliest deadline, then arrival', () => {
    const queue = createSchedulingQueue(() => true)
    const before = (time: string) => ({ annotations: { 'stormo.dev/start-before': time } })
    queue.upsert(makePod('plain'), 0)
    queue.upsert(makePod('late', before('2030-01-02T00:00:00Z')), 0)
    queue.upsert(makePod('soon', before('2030-01-01T00:00:00Z')), 0)
    queue.upsert(makePod('first', { priority: 1 }), 0)
    queue.upsert(makePod('second', { priority: 1 }), 0)
    const order = Array.from({ length: 5 }, () => queue.pop(0)?.metadata.name)
    expect(order).toEqual(['first', 'second', 'soon', 'late', 'plain'])
    expect(queue.pop(0)).toBeUndefined()
  })

  test('back-off doubles from one second to ten', () => {
    expect([1, 2, 3, 4, 5, 20].map(backoffMs)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
  })

  test('what no node took waits for an event that its plugins care about, or five minutes', () => {
    const queue = createSchedulingQueue((_pod, plugin) => plugin === 'VolumeBinding')
    for (const name of ['a', 'b']) queue.upsert(makePod(name), 0)
    for (const plugin of ['VolumeBinding', 'NodePorts'])
      queue.unschedulable(queue.pop(0)!.metadata.uid!, new Set([plugin]), 0)
    expect(queue.move(event, 500)).toBe(1)
    expect(queue.counts()).toEqual({ active: 0, backoff: 1, unschedulable: 1, tried: 0 })
    expect(queue.nextInMs(500)).toBe(500)
    expect(queue.pop(999)).toBeUndefined()
    expect(queue.pop(1000)?.metadata.name).toBe('a')
    expect(queue.pop(299_999)).toBeUndefined()
    expect(queue.pop(300_000)?.metadata.name).toBe('b')
  })

  test('a pod that changes is tried again, one that is removed is not', () => {
    const queue = createSchedulingQueue(() => false)
    for (const name of ['a', 'b']) queue.upsert(makePod(name), 0)
    for (const uid of ['default-a', 'default-b']) {
      queue.pop(0)
      queue.unschedulable(uid, new Set(['NodePorts']), 0)
    }
    queue.upsert(makePod('a', { labels: { now: 'other' } }), 2000)
    queue.upsert(makePod('b', { status: { phase: 'Pending' } }), 2000)
    expect(queue.counts()).toMatchObject({ active: 1, unschedulable: 1 })
    queue.remove('default-a')
    expect(queue.pop(2000)).toBeUndefined()
    expect(queue.size).toBe(1)
  })
})

test('a heap gives what a sorted list gives, with items taken from the middle', () => {
  const item = fc.record({ rank: fc.nat(20), removed: fc.boolean() })
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const heap = createHeap<(typeof items)[number]>((a, b) => a.rank < b.rank)
      for (const one of items) heap.push(one)
      for (const one of items) if (one.removed) expect(heap.remove(one)).toBe(true)
      const rest = Array.from({ length: heap.size }, () => heap.pop()!.rank)
      const wanted = items.filter(({ removed }) => !removed).map(({ rank }) => rank)
      expect(rest).toEqual(wanted.toSorted((a, b) => a - b))
    }),
  )
})
