import { expect, test } from 'vitest'
import { wireRefusal, wireRefusals, type WireRange } from '../mesh/wire-range.ts'
import { ByteReader } from '../store/bytes.ts'
import { inflate } from './deflate.ts'
import { areEqual, cluster, create, dataOf, set, settled, type Cluster, type Node } from './testing/replicator-rig.ts'

const present: WireRange = { oldest: 2, newest: 2 }
const next: WireRange = { oldest: 2, newest: 3 }
const later: WireRange = { oldest: 4, newest: 5 }

/** Versions of the broadcasts that a member sends from now on. */
function versionsSaid({ network }: Cluster, { peer }: Node): Set<number> {
  const said = new Set<number>()
  const mesh = network.at(peer)
  if (!mesh) throw new Error(`${peer} is not there`)
  const broadcast = mesh.broadcast.bind(mesh)
  mesh.broadcast = (data) => {
    said.add(new ByteReader(inflate(data.subarray(1), 1 << 20)).uint())
    broadcast(data)
  }
  return said
}

test('a member of the next release speaks the present version until all have been upgraded', async () => {
  const all = await cluster(3, 1, {}, [next, present, present])
  const { clock, nodes, boot } = all
  const [upgraded, second, third] = nodes as [Node, Node, Node]
  const said = versionsSaid(all, upgraded)
  await settled(clock, create(upgraded, 'one'))
  await clock.pass(100)
  await settled(clock, set(second, 'one', 'b', '2'))
  await clock.pass(100)
  expect(dataOf(third, 'one')).toEqual({ a: '1', b: '2' })
  expect(said).toEqual(new Set([2]))

  await second.stop()
  const secondUpgraded = await boot(2, second.disk, next)
  await settled(clock, set(upgraded, 'one', 'c', '3'))
  await clock.pass(5_000)
  expect(said).toEqual(new Set([2]))

  await third.stop()
  const thirdUpgraded = await boot(3, third.disk, next)
  said.clear()
  await settled(clock, set(upgraded, 'one', 'd', '4'))
  await clock.pass(5_000)
  expect(said).toEqual(new Set([3]))
  expect(dataOf(thirdUpgraded, 'one')).toEqual({ a: '1', b: '2', c: '3', d: '4' })
  expect(areEqual([upgraded, secondUpgraded, thirdUpgraded])).toBe(true)
  for (const { replicator } of [upgraded, secondUpgraded, thirdUpgraded]) {
    expect(replicator.status().peers.map(({ malformed, refusal }) => [malformed, refusal])).toEqual([
      [0, undefined],
      [0, undefined],
    ])
  }
})

test('what a member of the next release wrote while it was alone, others get by anti-entropy in the version they know', async () => {
  const { clock, network, nodes } = await cluster(2, 2, {}, [next, present])
  const [upgraded, other] = nodes as [Node, Node]
  network.partition(['p1'], ['p2'])
  await clock.pass(2_000)
  await settled(clock, create(upgraded, 'one'))
  await settled(clock, create(other, 'two'))
  network.heal()
  await clock.pass(40_000)
  expect(dataOf(other, 'one')).toEqual({ a: '1' })
  expect(dataOf(upgraded, 'two')).toEqual({ a: '1' })
  expect(areEqual(nodes)).toBe(true)
})

test('with a member that speaks no common version nothing is exchanged, and both say what to do; the others go on', async () => {
  const { clock, nodes } = await cluster(3, 3, {}, [present, present, later])
  const [one, two, stranger] = nodes as [Node, Node, Node]
  await settled(clock, create(one, 'one'))
  await settled(clock, create(stranger, 'other'))
  await clock.pass(40_000)
  expect(dataOf(two, 'one')).toEqual({ a: '1' })
  expect(dataOf(stranger, 'one')).toBeUndefined()
  expect(dataOf(one, 'other')).toBeUndefined()
  const refusals = ({ replicator }: Node) => replicator.status().peers.map(({ refusal }) => refusal)
  expect(refusals(one)).toEqual([
    undefined,
    'this node speaks version 2 of the wire format, n3 versions 4 to 5: upgrade this node first, to a release that speaks both',
  ])
  expect(refusals(stranger)[0]).toContain('n1 version 2: upgrade n1 first')
})

test('of many members each pair that cannot speak is told once', () => {
  const members = [{ node: 'a', speaks: present }, { node: 'b', speaks: later }, { node: 'c' }]
  expect(wireRefusals(members)).toEqual([
    'a speaks version 2 of the wire format, b versions 4 to 5: upgrade a first, to a release that speaks both',
    'b speaks versions 4 to 5 of the wire format, c version 2: upgrade c first, to a release that speaks both',
  ])
})

test('members that say nothing speak the first version', () => {
  expect(wireRefusal({ node: 'a' }, { node: 'b', speaks: next })).toBeUndefined()
  expect(wireRefusal({ node: 'a', speaks: later }, { node: 'b' })).toContain('upgrade b first')
})
