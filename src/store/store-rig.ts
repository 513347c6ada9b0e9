import type { KubeObject, ObjectKey } from '../api/object.ts'
import type { Clock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { Conflict } from './conflict.ts'
import { memoryDisk, type MemoryDisk } from './memory-disk.ts'
import { openStore, type ObjectStore } from './object-store.ts'
import type { Change } from './replica.ts'
import type { FieldLayout } from './store.ts'

/* Stores on memory disks under a clock of their own, for the tests of this folder. */

const layout: FieldLayout = {
  listKeys(_ref, path) {
    const text = path.join('.')
    if (text === 'metadata.finalizers') return []
    if (text === 'status.conditions') return ['type']
    if (text.endsWith('containers')) return ['name']
    if (text.endsWith('containers.ports')) return ['containerPort', 'protocol']
    return undefined
  },
}

export interface Rig {
  store: ObjectStore
  disk: MemoryDisk
  out: Change[]
  conflicts: Conflict[]
  clock: TestClock
}

export type TestClock = Clock & { advance(ms: number): void }

export function testClock(): TestClock {
  let now = Date.UTC(2026, 5, 1)
  const timers: { at: number; run: () => void }[] = []
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    after(delayMs, run) {
      const timer = { at: now + delayMs, run }
      timers.push(timer)
      return { cancel: () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) }
    },
    advance(ms) {
      now += ms
      for (const timer of timers.filter(({ at }) => at <= now)) {
        timers.splice(timers.indexOf(timer), 1)
        timer.run()
      }
    },
  }
}

export async function rig(nodeNumber: number, clock = testClock(), disk = memoryDisk()): Promise<Rig> {
  const conflicts: Conflict[] = []
  let seed = nodeNumber * 7919
  const next = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31
  const store = await openStore({
    disk,
    clock,
    random: { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) },
    logger: silentLogger,
    nodeNumber,
    layout,
    onConflict: (conflict) => conflicts.push(conflict),
  })
  const out: Change[] = []
  store.onLocalChanges((changes) => {
    out.push(...changes)
    return Promise.resolve()
  })
  return { store, disk, out, conflicts, clock }
}

export const key: ObjectKey = { group: 'apps', resource: 'deployments', namespace: 'default', name: 'web' }

export interface Web extends KubeObject {
  spec: { replicas?: number; paused?: boolean; template: { spec: { containers: { name: string; image?: string }[] } } }
  status?: { conditions?: { type: string; status: string }[]; replicas?: number }
}

export const web = (): Web => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: {
    replicas: 1,
    template: {
      spec: {
        containers: [
          { name: 'web', image: 'nginx:1' },
          { name: 'side', image: 'side:1' },
        ],
      },
    },
  },
})

export const create = (rig: Rig, object: KubeObject = web()) =>
  rig.store.write({ op: 'create', key, object, decided: false })

export async function change(rig: Rig, mutate: (object: Web) => void): Promise<Web> {
  const base = rig.store.get(key) as Web
  const object = structuredClone(base)
  mutate(object)
  return (await rig.store.write({
    op: 'update',
    key,
    uid: base.metadata.uid ?? '',
    base,
    object,
    decided: false,
  })) as Web
}

/** Delivers everything both ways until nothing is left to say. */
export async function exchange(a: Rig, b: Rig): Promise<void> {
  while (a.out.length + b.out.length > 0) {
    const [fromA, fromB] = [a.out.splice(0), b.out.splice(0)]
    await Promise.all([b.store.merge(fromA), a.store.merge(fromB)])
    // What the stores clean up on their own account is queued before this.
    await Promise.all([a.store.setFact('turn', 1), b.store.setFact('turn', 1)])
  }
}

export const shown = (rig: Rig): Web => {
  const { resourceVersion: _, ...metadata } = rig.store.get(key)?.metadata ?? { name: '' }
  return { ...(rig.store.get(key) as Web), metadata }
}
