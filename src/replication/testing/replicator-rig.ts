import type { KubeObject, ObjectKey } from '../../api/object.ts'
import { silentLogger } from '../../lib/log.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { ownWire, type WireRange } from '../../mesh/wire-range.ts'
import { digestText } from '../../store/digest.ts'
import { memoryDisk, type MemoryDisk } from '../../store/memory-disk.ts'
import type { StoreLimits } from '../../store/limits.ts'
import { openStore, type ObjectStore } from '../../store/object-store.ts'
import { FakeNetwork } from '../../../test/support/fake-mesh.ts'
import { Replicator } from '../replicator.ts'

/** A member of a cluster of stores and replicators alone. */
export interface Node {
  peer: string
  store: ObjectStore
  replicator: Replicator
  disk: MemoryDisk
  stale: string[]
  stop(): Promise<void>
}

export interface Cluster {
  clock: VirtualClock
  network: FakeNetwork
  nodes: Node[]
  /** Starts a member, again or for the first time, in a release that speaks `speaks`; all the others are told. */
  boot(number: number, disk?: MemoryDisk, speaks?: WireRange): Promise<Node>
}

/** `count` members that are in touch, under virtual time; `speaks` are the versions of the wire format of each. */
export async function cluster(
  count: number,
  seed: number,
  limits: Partial<StoreLimits> = {},
  speaks: readonly WireRange[] = [],
): Promise<Cluster> {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock, seededRandom(seed))
  const members = Array.from({ length: count }, (_, index) => ({
    peer: `p${index + 1}`,
    node: `n${index + 1}`,
    speaks: speaks[index] ?? ownWire,
  }))
  const running = new Map<number, Replicator>()
  const boot = async (number: number, disk = memoryDisk(), range = members[number - 1]?.speaks): Promise<Node> => {
    const self = members[number - 1]
    if (!self || !range) throw new Error(`there is no member ${number}`)
    self.speaks = range
    const peer = `p${number}`
    const mesh = network.mesh(peer)
    mesh.setMembers(members)
    const random = seededRandom(seed * 100 + number)
    const layout = { listKeys: () => undefined }
    const store = await openStore({ disk, clock, random, logger: silentLogger, nodeNumber: number, layout, limits })
    const stale: string[] = []
    const replicator = new Replicator({
      mesh,
      replica: store,
      clock,
      random,
      logger: silentLogger,
      speaks: range,
      onStale: (from) => stale.push(from),
    })
    running.set(number, replicator)
    for (const one of running.values()) one.setMembers(members)
    await mesh.start()
    await replicator.start()
    await store.start()
    const stop = async () => {
      const stopped = Promise.all([replicator.stop(), mesh.stop()])
      await clock.pass(200)
      await stopped
      await store.stop()
    }
    return { peer, store, replicator, disk, stale, stop }
  }
  const nodes: Node[] = []
  for (let number = 1; number <= count; number += 1) nodes.push(await boot(number))
  await clock.pass(100)
  return { clock, network, nodes, boot }
}

export const keyOf = (name: string): ObjectKey => ({ group: '', resource: 'configmaps', namespace: 'default', name })

const configMap = (name: string, data: Record<string, string>): KubeObject & { data: Record<string, string> } => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  data,
})

/** Writes, letting virtual time pass until the answer is there. */
export async function settled<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let isDone = false
  work.then(
    () => (isDone = true),
    () => (isDone = true),
  )
  await clock.until(() => isDone)
  return work
}

export const create = ({ store }: Node, name: string, data = { a: '1' } as Record<string, string>) =>
  store.write({ op: 'create', key: keyOf(name), object: configMap(name, data), decided: false })

export function set({ store }: Node, name: string, field: string, value: string): Promise<KubeObject> {
  const base = store.get(keyOf(name)) as ReturnType<typeof configMap>
  const object = { ...base, data: { ...base.data, [field]: value } }
  return store.write({ op: 'update', key: keyOf(name), uid: base.metadata.uid ?? '', base, object, decided: false })
}

export const remove = ({ store }: Node, name: string) =>
  store.write({ op: 'delete', key: keyOf(name), uid: store.get(keyOf(name))?.metadata.uid ?? '', decided: false })

const rootOf = ({ store }: Node) => digestText(store.digests.root())
export const areEqual = (nodes: readonly Node[]) => new Set(nodes.map(rootOf)).size === 1
export const dataOf = ({ store }: Node, name: string) =>
  (store.get(keyOf(name)) as ReturnType<typeof configMap> | undefined)?.data
