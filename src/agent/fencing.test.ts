import { describe, expect, it } from 'vitest'
import type { PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { silentLogger } from '../lib/log.ts'
import type { FenceOrder } from './fence-process.ts'
import { createFencing, isUnique, leaseMs } from './fencing.ts'

const pod = (name: string, owner: string, nodeName = 'here'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: owner, name: 'x', uid: 'x', controller: true }],
  },
  spec: { nodeName, containers: [], terminationGracePeriodSeconds: 3600 },
})

function harness(alone = false, left?: FenceOrder) {
  const pods = [pod('db-0', 'StatefulSet'), pod('web', 'ReplicaSet'), pod('db-1', 'StatefulSet', 'elsewhere')]
  const informers = {
    for: (ref: { resource: string }) => ({
      list: () => (ref.resource === refs.pods.resource ? pods : []),
      get: () => undefined,
      onChange: () => () => undefined,
    }),
  } as unknown as Informers
  let nowMs = 1000
  let contactMs = -Infinity
  let pending: (() => void) | undefined
  const failed: { uid: string; graceMs: number }[] = []
  const fed: FenceOrder[] = []
  const containers = new Map<string, string>()
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => nowMs,
    after: (_delayMs: number, run: () => void) => ((pending = run), { cancel: () => (pending = undefined) }),
  }
  const fencing = createFencing({
    nodeName: 'here',
    informers,
    leaseSinceMs: () => contactMs,
    isAlone: () => alone,
    fail: (uid, _failure, graceMs) => failed.push({ uid, graceMs }),
    containers: () => containers,
    fenceProcess: { takeOver: async () => left, feed: async (order) => void fed.push(order) },
    clock,
    logger: silentLogger,
  })
  const advance = (ms: number, heard: boolean): void => {
    nowMs += ms
    if (heard) contactMs = nowMs
    pending?.()
  }
  return { fencing, advance, failed, fed, pods, containers, isPending: () => pending !== undefined }
}

describe('fencing', () => {
  it('stops only unique pods of this node, and only after the lease', async () => {
    const { fencing, advance, failed } = harness()
    await fencing.start()
    advance(0, true)
    advance(leaseMs - 1, false)
    expect(failed).toEqual([])
    advance(1, false)
    expect(failed).toEqual([{ uid: 'uid-db-0', graceMs: 15_000 }])
  })

  it('stops nothing while a leader is heard, or on a node that is alone', async () => {
    for (const alone of [false, true]) {
      const { fencing, advance, failed } = harness(alone)
      await fencing.start()
      for (let second = 0; second < 100; second++) advance(1000, !alone)
      expect(failed).toEqual([])
    }
  })

  it('gives what an earlier agent left running less than a lease', async () => {
    const { fencing, advance, failed } = harness()
    await fencing.start()
    advance(9_999, false)
    expect(failed).toEqual([])
    advance(1, false)
    expect(failed).toEqual([{ uid: 'uid-db-0', graceMs: 15_000 }])
  })

  it('gives no time to end after a pause that was longer than lease and grace', async () => {
    const { fencing, advance, failed } = harness()
    await fencing.start()
    advance(0, true)
    advance(leaseMs + 9_000, false)
    advance(100_000, false)
    expect(failed.map(({ graceMs }) => graceMs)).toEqual([6_000, 0])
  })

  it('lets unique pods start only with a lease', async () => {
    const { fencing, advance } = harness()
    const unique = pod('db-0', 'StatefulSet')
    await fencing.start()
    expect([fencing.mayStart(unique), fencing.mayStart(pod('web', 'ReplicaSet'))]).toEqual([false, true])
    advance(0, true)
    expect(fencing.mayStart(unique)).toBe(true)
    advance(leaseMs, false)
    expect(fencing.mayStart(unique)).toBe(false)
  })

  it('leaves unique containers, and no others, to be killed after their time to end', async () => {
    const { fencing, advance, fed, containers } = harness()
    await fencing.start()
    containers.set('c-db', 'uid-db-0').set('c-web', 'uid-web').set('c-elsewhere', 'uid-db-1')
    advance(0, true)
    expect(fed).toEqual([{ containerIds: ['c-db'], leftMs: leaseMs + 20_000 }])
    advance(1000, false)
    expect(fed).toHaveLength(1)
    advance(9000, true)
    expect(fed.at(-1)).toEqual({ containerIds: ['c-db'], leftMs: leaseMs + 20_000 })
  })

  it('lists a container before it starts, and until it has ended, whatever becomes of its pod', async () => {
    const { fencing, advance, fed, pods, containers } = harness()
    await fencing.start()
    await expect(fencing.beforeStart(pods[0]!, 'c-db')).rejects.toThrow(/no lease/)
    advance(0, true)
    await fencing.beforeStart(pods[1]!, 'c-web')
    await fencing.beforeStart(pods[0]!, 'c-db')
    const listed = () => fed.at(-1)?.containerIds
    expect(listed()).toEqual(['c-db'])
    // It is not observed at once.
    advance(1000, true)
    expect(listed()).toEqual(['c-db'])
    containers.set('c-db', 'uid-db-0')
    pods.splice(0)
    advance(100_000, true)
    expect(listed()).toEqual(['c-db'])
    containers.clear()
    advance(1000, true)
    expect(listed()).toEqual([])
  })

  it('gives what an earlier agent left no more time than that one did, until there is a lease', async () => {
    const { fencing, advance, fed } = harness(false, { containerIds: ['c-old'], leftMs: 7_000 })
    await fencing.start()
    advance(1000, false)
    expect(fed).toEqual([{ containerIds: ['c-old'], leftMs: 6_000 }])
    advance(1000, true)
    expect(fed.at(-1)).toEqual({ containerIds: ['c-old'], leftMs: leaseMs + 20_000 })
  })

  it('has nothing killed on a node that is alone', async () => {
    const { fencing, advance, fed, containers } = harness(true)
    containers.set('c-db', 'uid-db-0')
    await fencing.start()
    advance(1000, false)
    expect(fed).toEqual([{ containerIds: [], leftMs: expect.any(Number) as number }])
  })

  it('leaves no timer when it is stopped', async () => {
    const { fencing, isPending } = harness()
    await fencing.start()
    await fencing.stop()
    expect(isPending()).toBe(false)
  })

  it('counts a pod with a volume for one writer as unique', () => {
    const mounting: Pod = {
      ...pod('x', 'ReplicaSet'),
      spec: { containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] },
    }
    const claim = (mode: string): PersistentVolumeClaim => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {},
      spec: { accessModes: [mode] },
    })
    expect(isUnique(mounting, () => claim('ReadWriteOnce'))).toBe(true)
    expect(isUnique(mounting, () => claim('ReadWriteMany'))).toBe(false)
  })
})
