import { expect, test } from 'vitest'
import { DecisionCluster } from './testing/decision-cluster.ts'

test('a member that is removed loses its vote, and its place is taken', async () => {
  const cluster = await DecisionCluster.of(4)
  const leader = cluster.leader
  const victim = cluster.up.find((node) => node !== leader && leader?.log.status().voters.includes(node.name))
  await cluster.command({ type: 'member-remove', node: victim?.name ?? '' })
  await cluster.clock.pass(10_000)
  expect(cluster.leader?.log.status().voters).toHaveLength(3)
  expect(cluster.leader?.log.status().voters).not.toContain(victim?.name)
})

test('the leader can be removed: it hands over first', async () => {
  const cluster = await DecisionCluster.of(3)
  const victim = cluster.leader?.name ?? ''
  await cluster.command({ type: 'member-remove', node: victim })
  await cluster.clock.pass(10_000)
  expect(cluster.leader?.name).not.toBe(victim)
  expect(cluster.leader?.log.status().voters).toHaveLength(2)
})

test.each(['leader', 'follower'])('of two members the %s leaves, and the other leads on without it', async (which) => {
  const cluster = await DecisionCluster.of(2)
  const leads = cluster.leader?.name ?? ''
  const stays = which === 'leader' ? cluster.up.find(({ name }) => name !== leads)?.name : leads
  const leaves = cluster.up.find(({ name }) => name !== stays)?.name ?? ''
  // As the mesh does: it lets go of who is no member.
  cluster.node(stays ?? '').log.onMembers((members) => {
    if (!members.some(({ node }) => node === leaves) && cluster.node(leaves).up) cluster.kill(leaves)
  })
  await cluster.command({ type: 'member-remove', node: leaves }, cluster.node(stays ?? ''))
  await cluster.clock.pass(10_000)
  expect(cluster.leader?.name).toBe(stays)
  expect(cluster.leader?.log.status().voters).toEqual([stays])
})

test('a voter that is dead for a minute gives way to a live member', async () => {
  const cluster = await DecisionCluster.of(4)
  const { voters } = cluster.leader?.log.status() ?? { voters: [] }
  const victim = voters.find((name) => name !== cluster.leader?.name) ?? ''
  cluster.kill(victim)
  await cluster.clock.pass(30_000)
  expect(cluster.leader?.log.status().voters).toContain(victim)
  await cluster.clock.pass(60_000)
  expect(cluster.leader?.log.status().voters).not.toContain(victim)
  expect(cluster.leader?.log.status().voters).toHaveLength(3)
})

test('voters are spread over zones', async () => {
  const cluster = new DecisionCluster(3)
  for (const [at, zone] of ['a', 'a', 'a', 'b', 'c'].entries()) await cluster.join(`n${at + 1}`, zone)
  await cluster.join('n6', 'b')
  await cluster.clock.pass(20_000)
  const members = new Map(
    cluster
      .node('n1')
      .log.members()
      .map((member) => [member.node, member.zone]),
  )
  const zones = cluster.leader?.log
    .status()
    .voters.map((node) => members.get(node))
    .toSorted()
  expect(zones).toEqual(['a', 'a', 'b', 'b', 'c'])
})
