import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/lib/system.ts'
import { benchStore } from './cluster.ts'
import { createPod, updatePod } from './pod-writes.ts'
import { podKey } from './sample-pod.ts'

export interface GrowthSize {
  objects: number
  updates: number
  cycles: number
}

/** What a store weighs once it has done a share of its work. */
export interface Weight {
  readonly done: string
  readonly heapBytes: number
  readonly diskBytes: number
}

const parts = 5
const clients = 500
/** Longer than tombstones are kept once every member has them. */
const pastTombstonesMs = 11 * 60_000
const sweepWaitMs = 1_500

/** Wall time that can be moved on, and timers that come a hundred times as soon: so tombstones end within a bench. */
function quickClock(): Clock & { skip(ms: number): void } {
  let offsetMs = 0
  return {
    nowMs: () => systemClock.nowMs() + offsetMs,
    monotonicMs: () => systemClock.monotonicMs() + offsetMs,
    after: (delayMs, run) => systemClock.after(delayMs / 100, run),
    skip: (ms) => void (offsetMs += ms),
  }
}

/**
 * Status updates and create/delete cycles on a store whose every deletion all members have: what it weighs must not
 * depend on how many there were. The first part fills the watch history, which is bounded; growth is what comes after.
 */
export async function growth(size: GrowthSize, heapBytes: () => number): Promise<Weight[]> {
  const clock = quickClock()
  const bench = await benchStore(3, undefined, clock)
  const { store } = bench
  await store.start()
  const weights: Weight[] = []
  const weigh = async (done: string): Promise<void> => {
    bench.takeOutgoing()
    store.acknowledgeTombstones(store.tombstonesSince(0, Number.MAX_SAFE_INTEGER).last)
    clock.skip(pastTombstonesMs)
    await sleep(sweepWaitMs)
    weights.push({ done, heapBytes: heapBytes(), diskBytes: await bench.bytesOnDisk() })
  }
  await inTurns(size.objects, (index) => createPod(bench, index))
  for (let part = 1; part <= parts; part += 1) {
    const share = Math.floor(size.updates / parts)
    await inTurns(share, (index) => updatePod(bench, index % size.objects, part * share + index))
    await weigh(`${part * share} status updates`)
  }
  for (let part = 1; part <= parts; part += 1) {
    const share = Math.floor(size.cycles / parts)
    await inTurns(share, async (index) => {
      const key = podKey(size.objects + index)
      const { metadata } = await createPod(bench, size.objects + index)
      await store.write({ op: 'delete', key, uid: metadata.uid ?? '', decided: false })
    })
    await weigh(`${part * share} creations and deletions`)
  }
  await bench.dispose()
  return weights
}

async function inTurns(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += clients) {
    await Promise.all(Array.from({ length: Math.min(clients, count - from) }, (_, index) => work(from + index)))
  }
}
