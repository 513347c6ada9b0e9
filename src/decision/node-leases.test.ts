import { expect, test } from 'vitest'
import { create, DecisionCluster } from './testing/decision-cluster.ts'

/** What the node believes itself to have had, and what the leader believes of it at the least, in ms from now. */
const ages = (cluster: DecisionCluster, node: string) => ({
  held: cluster.clock.monotonicMs() - cluster.node(node).log.leaseSinceMs(),
  given: cluster.leader?.log.leaseAgeMs(node) ?? -Infinity,
})

test('every node has one, and the leader never thinks it older than its holder does', async () => {
  const cluster = await DecisionCluster.of(9)
  for (let second = 0; second < 30; second++) {
    await cluster.clock.pass(1_000)
    for (const { name } of cluster.up) {
      const { held, given } = ages(cluster, name)
      expect(held).toBeLessThan(10_000)
      expect(given).toBeLessThanOrEqual(held)
    }
  }
})

test('a node that hears the leader and is not heard loses its own', async () => {
  const cluster = await DecisionCluster.of(3)
  const leader = cluster.leader?.name ?? ''
  const mute = cluster.up.find(({ name }) => name !== leader)?.name ?? ''
  for (const { peer } of cluster.up) cluster.network.muted.add(`peer-${mute}>${peer}`)
  const before = cluster.node(mute).log.leaseSinceMs()
  await cluster.clock.pass(60_000)
  expect(cluster.leader?.name).toBe(leader)
  expect(cluster.node(mute).log.leaseSinceMs()).toBe(before)
  expect(ages(cluster, mute).given).toBeGreaterThan(50_000)
})

test('a new leader counts from the beginning of its term', async () => {
  const cluster = await DecisionCluster.of(3)
  const old = cluster.leader?.name ?? ''
  await cluster.clock.pass(60_000)
  cluster.kill(old)
  await cluster.clock.until(() => cluster.leader !== undefined, 10_000, 'another leads')
  expect(ages(cluster, old).given).toBeLessThan(1_000)
  await cluster.clock.pass(20_000)
  expect(ages(cluster, old).given).toBeGreaterThan(19_000)
})

test('a node that lacks what was decided gets none', async () => {
  const cluster = await DecisionCluster.of(3)
  const leader = cluster.leader?.name ?? ''
  const away = cluster.up.find(({ name }) => name !== leader)?.name ?? ''
  cluster.kill(away)
  const { index } = await cluster.propose(leader, create('a', 'u1'))
  const restarted = cluster.start(away)
  await cluster.clock.until(
    () => cluster.node(away).log.leaseSinceMs() > -Infinity,
    60_000,
    'the node has a lease again',
  )
  await restarted
  expect(cluster.node(away).log.status().appliedIndex).toBeGreaterThanOrEqual(index)
})
