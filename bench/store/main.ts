import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Change } from '../../src/store/replica.ts'
import { benchStore, type BenchStore } from './cluster.ts'
import { electionTimesMs } from './elections.ts'
import { growth } from './growth.ts'
import { createPod, updatePod } from './pod-writes.ts'
import { podKey } from './sample-pod.ts'

/*
 * What the store costs, on a real disk: npx node bench/store/main.ts [--objects 5000] [--updates 10000] [--cycles 3000] [--full].
 * --full: 50,000 objects, and the growth after 500,000 status updates and 100,000 creations and deletions; takes an hour.
 * Processor time stands beside the wall clock, for on a machine that others share only the former means anything.
 */
const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    objects: { type: 'string' },
    updates: { type: 'string', default: '10000' },
    cycles: { type: 'string', default: '3000' },
  },
})
const objects = Number(values.objects ?? (values.full ? 50_000 : 5_000))
const updates = Number(values.updates)
const cycles = Number(values.cycles)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Writes under way at once, as so many clients make them; and changes in one batch from a peer. */
const clients = 500
const batch = 100

const rows: string[][] = [['measured', 'wall', 'processor', 'target']]
const row = (...cells: string[]): void => void rows.push(cells)

async function rate(name: string, count: number, target: string, work: () => Promise<unknown>): Promise<void> {
  const [startMs, before] = [performance.now(), process.threadCpuUsage()]
  await work()
  const wallMs = performance.now() - startMs
  const { user, system } = process.threadCpuUsage(before)
  const perSecond = Math.round((count / wallMs) * 1_000).toLocaleString('en')
  row(name, `${perSecond}/s`, `${((user + system) / count).toFixed(0)} us each`, target)
}

async function inTurns(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += clients) {
    await Promise.all(Array.from({ length: Math.min(clients, count - from) }, (_, index) => work(from + index)))
  }
}

async function mergeAll({ store }: BenchStore, changes: readonly Change[]): Promise<void> {
  for (let from = 0; from < changes.length; from += batch) await store.merge(changes.slice(from, from + batch))
}

const encodedBytes = ({ store }: BenchStore): number =>
  store
    .list(podKey(0))
    .items.reduce((sum, { metadata }) => sum + (store.document(metadata.uid ?? '')?.encoded.length ?? 0), 0)

function heapBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const each = (bytes: number, count: number): string => `${(bytes / count).toFixed(0)} B`

const one = await benchStore(1)
let other = await benchStore(2)
const emptyBytes = heapBytes()

await rate('create here', objects, '15,000/s', () => inTurns(objects, (index) => createPod(one, index)))
const created = one.takeOutgoing()
await rate('create from a peer', objects, '15,000/s', () => mergeAll(other, created))
created.length = 0
row(
  'RAM of an object in two replicas, history and JSON included',
  each(heapBytes() - emptyBytes, objects),
  '',
  '6,500 B a replica',
)
row('encoded', each(encodedBytes(one), objects), '', '3,500 B')
row('disk of an object', each(await one.bytesOnDisk(), objects), '', '')

await rate('status here, every object once', objects, '15,000/s', () =>
  inTurns(objects, (index) => updatePod(one, index, 1)),
)
const statuses = one.takeOutgoing()
await rate('status from a peer', objects, '15,000/s', () => mergeAll(other, statuses))

const beforeGrowth = encodedBytes(one)
await rate('status here, often', updates, '15,000/s', () =>
  inTurns(updates, (index) => updatePod(one, index % Math.min(clients, objects), 2 + Math.floor(index / clients))),
)
row('growth of a status update', each(encodedBytes(one) - beforeGrowth, updates), '', '5 B')
await mergeAll(other, one.takeOutgoing())

const differing = Math.max(1, Math.floor(objects / 100))
await inTurns(differing, (index) => updatePod(one, index, 1_000_000))
one.takeOutgoing()
const buckets = one.store.digests.differing(other.store.digests.buckets())
row(`buckets that differ for 1 % of the objects`, String(buckets.length), '', `about ${differing}`)
row('bytes that say so', String(other.store.digests.buckets().length), '', '33,000 when equal')

const beforeCycles = { ram: heapBytes(), disk: await one.bytesOnDisk() }
await rate('create and delete', cycles, '', () =>
  inTurns(cycles, async (index) => {
    const { metadata } = await createPod(one, objects + index)
    await one.store.write({ op: 'delete', key: podKey(objects + index), uid: metadata.uid ?? '', decided: false })
  }),
)
one.takeOutgoing()
row('RAM of a dead object, history included', each(heapBytes() - beforeCycles.ram, cycles), '', '300 B a tombstone')
row('disk of a dead object', each((await one.bytesOnDisk()) - beforeCycles.disk, cycles), '', '0 after its time')

await rate(`cold start with ${objects}`, objects, '16,700/s (50,000 in 3 s)', async () => {
  other = await other.reopen()
})
await rate('first read of every object', objects, '', () => Promise.resolve(other.store.list(podKey(0)).items.length))

await one.dispose()
await other.dispose()

const growthSize = values.full
  ? { objects: 1_000, updates: 500_000, cycles: 100_000 }
  : { objects: 500, updates: 25_000, cycles: 10_000 }
const weights = await growth(growthSize, heapBytes)
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
for (const { done, heapBytes: heap, diskBytes } of weights) {
  row(`after ${done}`, `${mebibytes(heap)} RAM`, `${mebibytes(diskBytes)} disk`, 'as before')
}

const kills = values.full ? 100 : 30
const times = await electionTimesMs(kills, 5)
const quantile = (share: number): string => `${Math.round(times[Math.floor((times.length - 1) * share)] ?? 0)} ms`
row(
  `another leads after the leader's loss, ${kills} kills`,
  `p50 ${quantile(0.5)}`,
  `p99 ${quantile(0.99)}`,
  '1 s, 3 s',
)
const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)))
for (const cells of rows)
  console.log(
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
