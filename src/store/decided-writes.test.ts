import { describe, expect, test } from 'vitest'
import type { KubeObject, ObjectKey } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Clock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { DecidedObject, DecidedSource, ObjectEntry } from './decided.ts'
import { memoryDisk } from './memory-disk.ts'
import { openStore, type ObjectStore } from './object-store.ts'
import type { Change } from './replica.ts'
import type { StoreEvent } from './store.ts'

const key: ObjectKey = { group: '', resource: 'pods', namespace: 'default', name: 'web' }

interface Pod extends KubeObject {
  spec: { nodeName?: string; priority?: number; containers?: unknown[] }
}

const pod = (): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default' },
  spec: { priority: 1 },
})

/** A log without consensus: what its leader's store judges is committed at once, and applied by every store. */
class LocalLog implements DecidedSource {
  readonly objects = new Map<string, DecidedObject>()
  readonly stores: ObjectStore[] = []
  index = 0
  /** Called between judging and applying: what happens while an entry is being committed. */
  meanwhile: () => void = () => undefined

  async propose(proposal: Parameters<DecidedSource['propose']>[0]): Promise<{ index: number }> {
    const [leader] = this.stores
    if (!leader) throw errors.unavailable('no leader')
    const entry = leader.judge(structuredClone(proposal))
    this.meanwhile()
    await Promise.resolve()
    this.apply(entry)
    return { index: this.index }
  }

  apply(entry: ObjectEntry): void {
    const old = this.objects.get(entry.uid)
    this.index += 1
    if (entry.expectedIndex !== undefined && (old?.index ?? 0) !== entry.expectedIndex) {
      throw errors.conflict(entry.key, entry.key.name, 'void')
    }
    const fields = new Map(old?.fields)
    for (const [path, value] of Object.entries(entry.fields)) fields.set(path, { stamp: entry.stamp, value })
    const object: DecidedObject = {
      key: entry.key,
      uid: entry.uid,
      index: this.index,
      created: old?.created === true || entry.op === 'create',
      deleted: entry.op === 'delete',
      fields,
    }
    this.objects.set(entry.uid, object)
    for (const store of this.stores) store.applyDecided([object])
  }
}

let nowMs = Date.UTC(2026, 5, 1)
const clock: Clock = { nowMs: () => (nowMs += 1), monotonicMs: () => nowMs, after: () => ({ cancel() {} }) }

async function node(log: LocalLog, nodeNumber: number, disk = memoryDisk()) {
  const random = { next: Math.random, bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }
  const layout = { listKeys: () => undefined }
  const store = await openStore({ disk, clock, random, logger: silentLogger, nodeNumber, layout })
  store.setDecisions(log)
  log.stores.push(store)
  const out: Change[] = []
  store.onLocalChanges((changes) => Promise.resolve(void out.push(...changes)))
  return { store, out, disk }
}

function update(store: ObjectStore, mutate: (pod: Pod) => void, how: { decided: boolean; resourceVersion?: string }) {
  const base = store.get(key) as Pod
  const object = structuredClone(base)
  mutate(object)
  return store.write({ op: 'update', key, uid: base.metadata.uid ?? '', base, object, ...how }) as Promise<Pod>
}

const create = (store: ObjectStore, decided: boolean) => store.write({ op: 'create', key, object: pod(), decided })

describe('decided writes', () => {
  test('a write at the present resourceVersion holds; at an older one it is a Conflict', async () => {
    const log = new LocalLog()
    const { store } = await node(log, 1)
    const { metadata } = await create(store, false)
    const { resourceVersion } = metadata
    const written = await update(store, ({ spec }) => (spec.priority = 2), { decided: false, resourceVersion })
    expect(written.spec.priority).toBe(2)
    expect(written.metadata.generation).toBe(2)
    await expect(
      update(store, ({ spec }) => (spec.priority = 3), { decided: false, resourceVersion }),
    ).rejects.toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('the object has been modified; please apply your changes to the latest version'),
    })
  })

  test('a conditional write holds after others had added elements to one list at the same time', async () => {
    const log = new LocalLog()
    const one = await node(log, 1)
    const created = await one.store.write({ op: 'create', key, object: pod(), decided: false })
    const entry = (manager: string) => ({ manager, operation: 'Update', apiVersion: 'v1' })
    const withManager = (base: KubeObject, manager: string): KubeObject => ({
      ...base,
      metadata: { ...base.metadata, managedFields: [...(base.metadata.managedFields ?? []), entry(manager)] },
    })
    const uid = created.metadata.uid ?? ''
    const first = await one.store.write({
      op: 'update',
      key,
      uid,
      base: created,
      object: withManager(created, 'a'),
      decided: false,
    })
    await Promise.all(
      ['b', 'c'].map((manager) =>
        one.store.write({ op: 'update', key, uid, base: first, object: withManager(first, manager), decided: false }),
      ),
    )
    const base = one.store.get(key)!
    const resourceVersion = base.metadata.resourceVersion ?? ''
    const object = withManager(base, 'd')
    const written = await one.store.write({ op: 'update', key, uid, base, object, resourceVersion, decided: true })
    expect(written.metadata.managedFields?.map(({ manager }) => manager).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('the leader refuses when it knows of a write that the asker does not', async () => {
    const log = new LocalLog()
    const leader = await node(log, 1)
    const asker = await node(log, 2)
    await create(leader.store, false)
    await asker.store.merge(leader.out.splice(0))
    await update(leader.store, ({ spec }) => (spec.priority = 2), { decided: false })
    const { resourceVersion } = asker.store.get(key)?.metadata ?? {}
    const late = update(asker.store, ({ spec }) => (spec.priority = 3), { decided: false, resourceVersion })
    await expect(late).rejects.toMatchObject({ reason: 'Conflict' })
  })

  test('the leader learns of the asker’s own writes by the proposal', async () => {
    const log = new LocalLog()
    const leader = await node(log, 1)
    const asker = await node(log, 2)
    await create(asker.store, false)
    await leader.store.merge(asker.out.splice(0))
    const { metadata } = await update(asker.store, ({ spec }) => (spec.priority = 2), { decided: false })
    const { resourceVersion } = metadata
    const written = await update(asker.store, ({ spec }) => (spec.nodeName = 'n1'), { decided: false, resourceVersion })
    expect(written.spec).toEqual({ priority: 2, nodeName: 'n1' })
    await leader.store.setFact('turn', 1)
    expect((leader.store.get(key) as Pod).spec).toEqual({ priority: 2, nodeName: 'n1' })
  })

  test('the leader judges a write to an object that it has not got yet, also in place of one that it does not know gone', async () => {
    const log = new LocalLog()
    const leader = await node(log, 1)
    const asker = await node(log, 2)
    const change = (resourceVersion: string | undefined) =>
      update(asker.store, ({ spec }) => (spec.nodeName = 'n1'), { decided: false, resourceVersion })
    const first = await create(asker.store, false)
    expect((await change(first.metadata.resourceVersion)) as Pod).toMatchObject({
      spec: { priority: 1, nodeName: 'n1' },
    })
    await leader.store.merge(asker.out.splice(0))
    await asker.store.write({ op: 'delete', key, uid: first.metadata.uid!, decided: false })
    const second = await create(asker.store, false)
    expect((await change(second.metadata.resourceVersion)).metadata.uid).toBe(second.metadata.uid)
    await leader.store.merge(asker.out.splice(0))
    expect(leader.store.get(key)).toMatchObject({ metadata: { uid: second.metadata.uid }, spec: { nodeName: 'n1' } })
  })

  test('binding a pod twice fails the second time, and raises no generation', async () => {
    const log = new LocalLog()
    const { store } = await node(log, 1)
    await create(store, false)
    const base = store.get(key) as Pod
    const bind = (nodeName: string) => {
      const object = { ...base, spec: { ...base.spec, nodeName } }
      return store.write({ op: 'update', key, uid: base.metadata.uid ?? '', base, object, decided: true })
    }
    await bind('n1')
    await expect(bind('n2')).rejects.toMatchObject({ reason: 'Conflict' })
    expect((store.get(key) as Pod).spec.nodeName).toBe('n1')
    expect(store.get(key)?.metadata.generation).toBe(1)
  })

  test('two deciders of different fields at one time: the one that comes late is proposed again', async () => {
    const log = new LocalLog()
    const { store } = await node(log, 1)
    const { metadata } = await create(store, true)
    let once = false
    log.meanwhile = () => {
      if (once) return
      once = true
      const { uid = '' } = metadata
      log.apply({ op: 'update', key, uid, fields: { 'spec.nodeName': 'n1' }, stamp: '0zzzzzzzz00000000001' })
    }
    const written = await update(store, ({ spec }) => (spec.priority = 5), { decided: true })
    expect(written.spec).toEqual({ priority: 5, nodeName: 'n1' })
  })

  test('a decided object and a declared one of the same name: the decided one counts', async () => {
    const log = new LocalLog()
    const one = await node(log, 1)
    const cutOff = await node(new LocalLog(), 2)
    const { metadata } = await create(one.store, true)
    await create(cutOff.store, false)
    await one.store.merge(cutOff.out.splice(0))
    expect(one.store.get(key)?.metadata.uid).toBe(metadata.uid)
    cutOff.store.applyDecided(log.objects.values())
    expect(cutOff.store.get(key)?.metadata.uid).toBe(metadata.uid)
  })

  test('a decided deletion is an event, keeps the object away, and outlives a restart', async () => {
    const log = new LocalLog()
    const { store, disk } = await node(log, 1)
    const { metadata } = await create(store, true)
    const seen: StoreEvent[] = []
    store.watch(key, undefined, (event) => seen.push(event))
    const { resourceVersion } = metadata
    await store.write({ op: 'delete', key, uid: metadata.uid ?? '', resourceVersion, decided: false })
    expect(seen.map(({ type }) => type)).toEqual(['DELETED'])
    await store.setFact('turn', 1)
    const again = await node(new LocalLog(), 1, disk)
    again.store.applyDecided([{ ...log.objects.get(metadata.uid ?? '')!, deleted: false }])
    expect(again.store.get(key)).toBeUndefined()
    expect(again.store.tombstoneCount()).toBe(1)
  })

  test('without a leader the write is refused as surely not made', async () => {
    const log = new LocalLog()
    const { store } = await node(log, 1)
    await create(store, false)
    log.stores.length = 0
    await expect(update(store, ({ spec }) => (spec.priority = 2), { decided: true })).rejects.toMatchObject({
      code: 503,
    })
    expect((store.get(key) as Pod).spec.priority).toBe(1)
  })

  test('a declared write after a decided one counts, and the other way round', async () => {
    const log = new LocalLog()
    const { store } = await node(log, 1)
    await create(store, true)
    await update(store, ({ spec }) => (spec.priority = 2), { decided: false })
    expect((store.get(key) as Pod).spec.priority).toBe(2)
    await update(store, ({ spec }) => (spec.priority = 3), { decided: true })
    expect((store.get(key) as Pod).spec.priority).toBe(3)
    expect(store.get(key)?.metadata.generation).toBe(3)
  })
})
