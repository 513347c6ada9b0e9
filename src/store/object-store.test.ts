import { describe, expect, test } from 'vitest'
import type { ObjectKey } from '../api/object.ts'
import { digestText } from './digest.ts'
import { memoryDisk } from './memory-disk.ts'
import type { Change } from './replica.ts'
import type { StoreEvent } from './store.ts'
import { change, create, exchange, key, rig, shown, testClock, web, type Rig, type Web } from './store-rig.ts'

describe('one node', () => {
  test('gives back what was written, with uid, version and generation', async () => {
    const one = await rig(1)
    const object = await create(one)
    expect(object).toMatchObject(web())
    expect(object.metadata.generation).toBe(1)
    expect(object.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(BigInt(object.metadata.resourceVersion ?? '') & 0xffffn).toBe(1n)
    await expect(create(one)).rejects.toMatchObject({ reason: 'AlreadyExists' })
  })

  test('generation counts changes of the desired state, not of status or labels', async () => {
    const one = await rig(1)
    await create(one)
    await change(one, (object) => (object.spec.replicas = 2))
    await change(one, (object) => (object.status = { replicas: 2 }))
    const object = await change(one, (object) => (object.metadata.labels = { app: 'web', tier: 'front' }))
    expect(object.metadata.generation).toBe(2)
  })

  test('a version is never given twice, over crashes and restarts', async () => {
    const one = await rig(1)
    await create(one)
    const before = one.store.currentVersion()
    one.disk.crash()
    const again = await rig(1, one.clock, one.disk)
    expect(again.store.get(key)).toMatchObject(web())
    expect(BigInt(again.store.get(key)?.metadata.resourceVersion ?? 0)).toBeGreaterThan(before)
  })

  test('what was not acknowledged before a crash is not there, what was is', async () => {
    const done: (() => void)[] = []
    let hold = false
    const disk = memoryDisk((callback) => (hold ? void done.push(callback) : callback()))
    const one = await rig(1, testClock(), disk)
    await create(one)
    hold = true
    void change(one, (object) => (object.spec.replicas = 5))
    await new Promise((resolve) => setImmediate(resolve))
    expect(one.store.get(key)).toMatchObject({ spec: { replicas: 1 } })
    disk.crash()
    hold = false
    const again = await rig(1, one.clock, disk)
    expect(again.store.get(key)).toMatchObject({ spec: { replicas: 1 } })
  })

  test('a damaged record is not served', async () => {
    const one = await rig(1)
    const { metadata } = await create(one)
    one.disk.corrupt(`d/${metadata.uid}`)
    const again = await rig(1, one.clock, one.disk)
    expect(again.store.get(key)).toBeUndefined()
    expect(again.store.documentCount()).toBe(0)
  })

  test('a status that is written often leaves its document as small as it was', async () => {
    const one = await rig(1)
    const { metadata } = await create(one)
    const size = () => one.store.document(metadata.uid ?? '')?.encoded.length ?? 0
    await change(one, (object) => (object.status = { replicas: 100 }))
    const before = size()
    for (let replicas = 101; replicas < 600; replicas += 1)
      await change(one, (object) => (object.status = { replicas }))
    expect(size() - before).toBeLessThan(50)
  })

  test('a full disk refuses the write and shows nothing of it', async () => {
    const one = await rig(1)
    one.disk.setFull(true)
    await expect(create(one)).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
    expect(one.store.get(key)).toBeUndefined()
    expect(one.store.diskFault).toContain('no space left on device')
    one.disk.setFull(false)
    await expect(create(one)).resolves.toMatchObject(web())
    expect(one.store.diskFault).toBeUndefined()
  })

  test('who deletes an object does not overlook a finalizer that came meanwhile', async () => {
    const one = await rig(1)
    const { metadata } = await create(one)
    const read = one.store.get(key)
    await change(one, (object) => (object.metadata.finalizers = ['example.com/held']))
    const remove = (base = read) =>
      one.store.write({ op: 'delete', key, uid: metadata.uid ?? '', base, decided: false })
    await expect(remove()).rejects.toMatchObject({ reason: 'Conflict' })
    await remove(one.store.get(key))
    expect(one.store.get(key)).toBeUndefined()
  })

  test('an object of more than 1.5 MB is refused with 413', async () => {
    const one = await rig(1)
    const object = { ...web(), data: { blob: 'x'.repeat(1_600_000) } }
    await expect(create(one, object)).rejects.toMatchObject({ code: 413 })
  })

  test('a watch resumes without gap or double, and refuses versions that it cannot know', async () => {
    const one = await rig(1)
    const { metadata } = await create(one)
    await change(one, (object) => (object.spec.replicas = 2))
    const seen: StoreEvent[] = []
    const watch = one.store.watch(key, metadata.resourceVersion, (event) => seen.push(event))
    await change(one, (object) => (object.spec.replicas = 3))
    await one.store.write({ op: 'delete', key, uid: metadata.uid ?? '', decided: false })
    expect(seen.map(({ type }) => type)).toEqual(['MODIFIED', 'MODIFIED', 'DELETED'])
    expect(seen.map(({ object }) => (object as Web).spec.replicas)).toEqual([2, 3, 3])
    expect(seen.map(({ previous }) => (previous as Web).spec.replicas)).toEqual([1, 2, 3])
    expect(seen.at(-1)?.object.metadata.resourceVersion).toBe(one.store.currentVersion().toString())
    watch.close()
    const foreign = ((1n << 16n) | 2n).toString()
    expect(() => one.store.watch(key, foreign, () => undefined)).toThrow(/too old resource version/)
  })

  test('an Event goes an hour after its last write, and leaves no tombstone', async () => {
    const one = await rig(1)
    const eventKey: ObjectKey = { group: '', resource: 'events', namespace: 'default', name: 'web.1' }
    const object = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'web.1', namespace: 'default' },
      reason: 'Pulled',
    }
    await one.store.start()
    await one.store.write({ op: 'create', key: eventKey, object, decided: false })
    one.clock.advance(3_500_000)
    await one.store.setFact('turn', 1)
    expect(one.store.count(eventKey)).toBe(1)
    one.clock.advance(200_000)
    await one.store.setFact('turn', 2)
    expect(one.store.count(eventKey)).toBe(0)
    expect(one.store.tombstoneCount()).toBe(0)
    await one.store.stop()
  })
})

describe('two nodes', () => {
  async function pair(): Promise<[Rig, Rig]> {
    const clock = testClock()
    const [a, b] = [await rig(1, clock), await rig(2, clock)]
    await create(a)
    await exchange(a, b)
    clock.advance(10)
    return [a, b]
  }

  test('writes of different fields both survive', async () => {
    const [a, b] = await pair()
    await change(a, (object) => (object.spec.replicas = 3))
    await change(b, (object) => (object.spec.template.spec.containers[0]!.image = 'nginx:2'))
    await exchange(a, b)
    expect(shown(a)).toEqual(shown(b))
    expect(shown(a).spec.replicas).toBe(3)
    expect(shown(a).spec.template.spec.containers[0]).toEqual({ name: 'web', image: 'nginx:2' })
    expect(shown(a).metadata.generation).toBe(3)
    expect([...a.conflicts, ...b.conflicts]).toEqual([])
  })

  test('of two values of one field one counts, and its loser is told of once, with the value', async () => {
    const [a, b] = await pair()
    await change(a, (object) => (object.spec.replicas = 3))
    a.clock.advance(10)
    await change(b, (object) => (object.spec.replicas = 4))
    await exchange(a, b)
    expect(shown(a)).toEqual(shown(b))
    expect(shown(a).spec.replicas).toBe(4)
    expect(b.conflicts).toEqual([])
    expect(a.conflicts).toMatchObject([{ field: 'spec.replicas', value: 3, winnerNode: 2, loserNode: 1 }])
    expect(digestText(a.store.digests.root())).toBe(digestText(b.store.digests.root()))
  })

  test('a later write that had seen the earlier one is no conflict', async () => {
    const [a, b] = await pair()
    await change(a, (object) => (object.spec.replicas = 3))
    await exchange(a, b)
    await change(b, (object) => (object.spec.replicas = 4))
    await exchange(a, b)
    expect(shown(a).spec.replicas).toBe(4)
    expect([...a.conflicts, ...b.conflicts]).toEqual([])
  })

  test('removing a container beats a concurrent change of its image', async () => {
    const [a, b] = await pair()
    await change(a, (object) => object.spec.template.spec.containers.pop())
    a.clock.advance(10)
    await change(b, (object) => (object.spec.template.spec.containers[1]!.image = 'side:2'))
    await exchange(a, b)
    expect(shown(a)).toEqual(shown(b))
    expect(shown(a).spec.template.spec.containers.map(({ name }) => name)).toEqual(['web'])
    await change(b, (object) => object.spec.template.spec.containers.push({ name: 'side' }))
    await exchange(a, b)
    expect(shown(a).spec.template.spec.containers[1]).toEqual({ name: 'side' })
  })

  test('deleting beats a concurrent update, in whatever order they arrive', async () => {
    const [a, b] = await pair()
    const { uid = '' } = a.store.get(key)?.metadata ?? {}
    await a.store.write({ op: 'delete', key, uid, decided: false })
    a.clock.advance(10)
    await change(b, (object) => (object.spec.replicas = 9))
    await exchange(a, b)
    expect(a.store.get(key)).toBeUndefined()
    expect(b.store.get(key)).toBeUndefined()
  })

  test('of two objects of one name one counts whole, and the other is reported by its node', async () => {
    const clock = testClock()
    const [a, b] = [await rig(1, clock), await rig(2, clock)]
    await create(a)
    clock.advance(10)
    const other = web()
    other.spec.paused = true
    delete other.spec.replicas
    const created = await create(b, other)
    await exchange(a, b)
    expect(shown(a)).toEqual(shown(b))
    expect(shown(a).metadata.uid).toBe(created.metadata.uid)
    expect(shown(a).spec.replicas).toBeUndefined()
    expect(b.conflicts).toEqual([])
    expect(a.conflicts).toMatchObject([{ field: undefined, loserNode: 1, winnerNode: 2 }])
  })

  test('an object that lost its name is reported, although a third one counts when its node hears of it', async () => {
    const clock = testClock()
    const [a, b] = [await rig(1, clock), await rig(2, clock)]
    await create(a)
    clock.advance(10)
    await create(b)
    // b decides between the two, deletes the winner and makes a third, before a hears anything.
    await b.store.merge(a.out.splice(0))
    await b.store.setFact('turn', 1)
    await b.store.write({ op: 'delete', key, uid: b.store.get(key)?.metadata.uid ?? '', decided: false })
    const third = await create(b)
    for (const order of ['document', 'tombstone']) await a.store.merge(b.out.filter(({ type }) => type === order))
    await a.store.setFact('turn', 1)
    expect(a.store.get(key)?.metadata.uid).toBe(third.metadata.uid)
    expect(a.conflicts).toMatchObject([{ field: undefined, loserNode: 1, winnerNode: 2 }])
    expect(b.conflicts).toEqual([])
  })

  test('an object that the disk damaged before it lost its name is reported without its value', async () => {
    const clock = testClock()
    const [a, b] = [await rig(1, clock), await rig(2, clock)]
    const { uid = '' } = (await create(a)).metadata
    clock.advance(10)
    await create(b)
    await b.store.merge(a.out.splice(0))
    await b.store.setFact('turn', 1)
    a.disk.corrupt(`d/${uid}`)
    const again = await rig(1, clock, a.disk)
    await again.store.merge(b.out)
    expect(again.conflicts).toMatchObject([{ uid, field: undefined, value: undefined, loserNode: 1, winnerNode: 2 }])
  })

  test('a value that lost stays until its writer has told of it, though the winner writes again', async () => {
    const [a, b] = await pair()
    await change(a, (object) => (object.spec.replicas = 3))
    b.clock.advance(10)
    await change(b, (object) => (object.spec.replicas = 4))
    await b.store.merge(a.out.splice(0))
    await change(b, (object) => (object.spec.replicas = 5))
    await exchange(a, b)
    expect(a.conflicts).toMatchObject([{ field: 'spec.replicas', value: 3, winnerNode: 2, loserNode: 1 }])
  })

  test('an update whose object goes while the disk syncs is not answered with another object', async () => {
    const clock = testClock()
    const syncs: (() => void)[] = []
    let isHeld = false
    const disk = memoryDisk((done) => (isHeld ? syncs.push(done) : queueMicrotask(done)))
    const [a, b] = [await rig(1, clock, disk), await rig(2, clock)]
    await create(a)
    await exchange(a, b)
    await b.store.write({ op: 'delete', key, uid: b.store.get(key)?.metadata.uid ?? '', decided: false })
    await create(b)
    isHeld = true
    const written = change(a, (object) => (object.spec.replicas = 3)).catch((error: unknown) => error)
    const merged = a.store.merge(b.out.splice(0))
    while (syncs.length === 0) await Promise.resolve()
    isHeld = false
    for (const done of syncs) done()
    await merged
    expect(await written).toMatchObject({ reason: 'NotFound' })
  })

  test('an object made anew after a deletion is no conflict where the deletion comes later', async () => {
    const [a, b] = await pair()
    await a.store.write({ op: 'delete', key, uid: a.store.get(key)?.metadata.uid ?? '', decided: false })
    await create(a)
    a.out.reverse()
    await exchange(a, b)
    expect(shown(b)).toEqual(shown(a))
    expect([...a.conflicts, ...b.conflicts]).toEqual([])
  })

  test('two controllers that each write a condition of their own both keep it', async () => {
    const [a, b] = await pair()
    await change(a, (object) => (object.status = { conditions: [{ type: 'Ready', status: 'True' }] }))
    await change(b, (object) => (object.status = { conditions: [{ type: 'Progressing', status: 'False' }] }))
    await exchange(a, b)
    expect(shown(a)).toEqual(shown(b))
    expect(
      shown(a)
        .status?.conditions?.map(({ type }) => type)
        .toSorted(),
    ).toEqual(['Progressing', 'Ready'])
  })

  test('managers that write at the same time are all remembered, on one node and on two', async () => {
    const [a, b] = await pair()
    const entry = (manager: string, fields: Record<string, unknown>) => ({
      manager,
      operation: 'Apply',
      apiVersion: 'apps/v1',
      fieldsType: 'FieldsV1',
      fieldsV1: fields,
    })
    await change(a, ({ metadata }) => (metadata.managedFields = [entry('first', { 'f:spec': {} })]))
    await exchange(a, b)
    const base = a.store.get(key)!
    const claim = (one: Rig, manager: string) =>
      one.store.write({
        op: 'update',
        key,
        uid: base.metadata.uid ?? '',
        base: one.store.get(key)!,
        object: {
          ...base,
          metadata: {
            ...base.metadata,
            managedFields: [...(base.metadata.managedFields ?? []), entry(manager, { 'f:status': { 'f:a': {} } })],
          },
        },
        decided: false,
      })
    await Promise.all([claim(a, 'second'), claim(a, 'third'), claim(b, 'fourth')])
    await exchange(a, b)
    for (const one of [a, b]) {
      const { managedFields = [] } = one.store.get(key)!.metadata
      expect(managedFields.map(({ manager }) => manager).toSorted()).toEqual(['first', 'fourth', 'second', 'third'])
      expect(managedFields[0]).toEqual(entry('first', { 'f:spec': {} }))
    }
  })

  test('unreadable input is refused and counted', async () => {
    const [a] = await pair()
    const uid = a.store.get(key)?.metadata.uid ?? ''
    const before = shown(a)
    const junk: Change[] = [
      { type: 'document', key, uid, update: Uint8Array.of(255, 255, 255, 1) },
      { type: 'document', key: { ...key, name: 'other' }, uid, update: new Uint8Array([0, 0]) },
    ]
    expect(await a.store.merge(junk)).toEqual({ applied: 0, refused: 2 })
    expect(shown(a)).toEqual(before)
  })
})
