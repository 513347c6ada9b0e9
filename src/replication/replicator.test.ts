import { describe, expect, test } from 'vitest'
import { areEqual, cluster, create, dataOf, keyOf, remove, set, settled, type Node } from './testing/replicator-rig.ts'

describe('replication', () => {
  test('a write is on a peer when it is acknowledged, and soon everywhere', async () => {
    const { clock, nodes } = await cluster(3, 1)
    await settled(clock, create(nodes[0]!, 'one'))
    expect(nodes.slice(1).filter((node) => dataOf(node, 'one'))).toHaveLength(1)
    await clock.pass(100)
    expect(nodes.map((node) => dataOf(node, 'one'))).toEqual([{ a: '1' }, { a: '1' }, { a: '1' }])
    expect(nodes[1]?.replicator.status().peers.find(({ peer }) => peer === 'p1')?.lagMs).toBeLessThan(100)
  })

  test('both sides of a partition go on, and are equal after it heals', async () => {
    const { clock, network, nodes } = await cluster(4, 2)
    await settled(clock, create(nodes[0]!, 'one'))
    await clock.pass(100)
    network.partition(['p1', 'p2'], ['p3', 'p4'])
    await clock.pass(2_000)
    await settled(clock, set(nodes[0]!, 'one', 'left', 'yes'))
    await settled(clock, set(nodes[3]!, 'one', 'right', 'yes'))
    await settled(clock, create(nodes[1]!, 'two'))
    await clock.pass(60_000)
    expect(areEqual(nodes)).toBe(false)
    network.heal()
    await clock.pass(5_000)
    expect(areEqual(nodes)).toBe(true)
    expect(dataOf(nodes[2]!, 'one')).toEqual({ a: '1', left: 'yes', right: 'yes' })
    expect(dataOf(nodes[2]!, 'two')).toEqual({ a: '1' })
  })

  test('lost, doubled and reordered messages cost seconds, never data', async () => {
    const { clock, network, nodes } = await cluster(3, 3)
    network.weather = { minDelayMs: 1, maxDelayMs: 80, drop: 0.4, duplicate: 0.3, reorder: 0.5 }
    for (let round = 0; round < 20; round += 1) {
      await settled(clock, create(nodes[round % 3]!, `map-${round}`))
      await clock.pass(50)
      const other = nodes[(round + 1) % 3]!
      if (dataOf(other, `map-${round}`)) await settled(clock, set(other, `map-${round}`, 'b', '2'))
      if (round % 4 === 3) await settled(clock, remove(nodes[round % 3]!, `map-${round}`))
    }
    network.weather = { minDelayMs: 1, maxDelayMs: 5, drop: 0, duplicate: 0, reorder: 0 }
    await clock.pass(120_000)
    expect(areEqual(nodes)).toBe(true)
    expect(nodes.map(({ store }) => store.count(keyOf('')))).toEqual([15, 15, 15])
  })

  test('a node that was down catches up on writes and deletions', async () => {
    const { clock, nodes, boot } = await cluster(3, 4)
    const [one, two, three] = nodes as [Node, Node, Node]
    await settled(clock, create(one, 'kept'))
    await settled(clock, create(one, 'gone'))
    await clock.pass(100)
    await three.stop()
    await settled(clock, remove(one, 'gone'))
    await settled(clock, set(one, 'kept', 'b', '2'))
    await clock.pass(60_000)
    const again = await boot(3, three.disk)
    await clock.pass(5_000)
    expect(dataOf(again, 'kept')).toEqual({ a: '1', b: '2' })
    expect(again.store.get(keyOf('gone'))).toBeUndefined()
    expect(areEqual([one, two, again])).toBe(true)
  })

  test('a record that the disk damaged comes back from a peer', async () => {
    const { clock, nodes, boot } = await cluster(2, 5)
    const [one, two] = nodes as [Node, Node]
    const { metadata } = await settled(clock, create(one, 'one'))
    await clock.pass(100)
    await two.stop()
    two.disk.corrupt(`d/${metadata.uid}`)
    const again = await boot(2, two.disk)
    expect(again.store.get(keyOf('one'))).toBeUndefined()
    await clock.pass(5_000)
    expect(dataOf(again, 'one')).toEqual({ a: '1' })
  })

  test('a document above the size of a batch is fetched', async () => {
    const { clock, nodes } = await cluster(3, 6)
    const blob = 'x'.repeat(300_000)
    await settled(clock, create(nodes[0]!, 'large', { blob }))
    await clock.pass(3_000)
    expect(nodes.map((node) => dataOf(node, 'large')?.blob?.length)).toEqual([300_000, 300_000, 300_000])
  })

  test('a tombstone goes once every member has it, and not before', async () => {
    const { clock, network, nodes } = await cluster(3, 7)
    await settled(clock, create(nodes[0]!, 'one'))
    await clock.pass(100)
    network.partition(['p1', 'p2'], ['p3'])
    await clock.pass(2_000)
    await settled(clock, remove(nodes[0]!, 'one'))
    await clock.pass(1_800_000)
    expect(nodes[0]?.store.tombstoneCount()).toBe(1)
    network.heal()
    await clock.pass(1_200_000)
    expect(nodes.map(({ store }) => store.tombstoneCount())).toEqual([0, 0, 0])
    expect(nodes.map((node) => dataOf(node, 'one'))).toEqual([undefined, undefined, undefined])
  })

  test('a node that was away for longer than deletions are remembered is told so, and gives back nothing', async () => {
    const { clock, network, nodes } = await cluster(3, 8, { retentionMs: 600_000 })
    await settled(clock, create(nodes[0]!, 'one'))
    await clock.pass(120_000)
    network.partition(['p1', 'p2'], ['p3'])
    await clock.pass(2_000)
    await settled(clock, remove(nodes[0]!, 'one'))
    await clock.pass(900_000)
    network.heal()
    await clock.pass(60_000)
    expect(nodes[2]?.stale.length).toBeGreaterThan(0)
    expect(nodes[0]?.stale).toEqual([])
    expect(nodes[1]?.stale).toEqual([])
    expect(dataOf(nodes[0]!, 'one')).toBeUndefined()
  })

  test('what cannot be read is dropped and counted', async () => {
    const { clock, network, nodes } = await cluster(2, 9)
    const stranger = network.at('p1')!
    stranger.broadcast(Uint8Array.of(0x53, 1, 2, 3))
    stranger.broadcast(Uint8Array.of(0x00, 1, 2, 3))
    await clock.pass(10)
    expect(nodes[1]?.replicator.status().peers.map(({ malformed }) => malformed)).toEqual([1])
    const asked = stranger.request('p2', 'stormo/store/push/1', Uint8Array.of(9, 9, 9), { timeoutMs: 1_000 })
    await expect(settled(clock, asked)).rejects.toMatchObject({ reason: 'BadRequest' })
    await settled(clock, create(nodes[0]!, 'one'))
    await clock.pass(100)
    expect(dataOf(nodes[1]!, 'one')).toEqual({ a: '1' })
  })
})
