import { expect, test } from 'vitest'
import { create, DecisionCluster, update } from './testing/decision-cluster.ts'

test('one node alone decides', async () => {
  const cluster = await DecisionCluster.of(1)
  const { index } = await cluster.propose('n1', create('a', 'u1'))
  expect(cluster.node('n1').sink.history).toEqual([`u1@${index}`])
  expect(cluster.node('n1').log.status()).toMatchObject({ leader: 'n1', isLeader: true, voters: ['n1'] })
})

test.each([
  [2, 2],
  [3, 3],
  [4, 3],
  [5, 5],
  [9, 7],
])('%i members keep %i voters, and all have the same log', async (members, voters) => {
  const cluster = await DecisionCluster.of(members)
  const last = `n${members}`
  await cluster.propose(last, create('a', 'u1'))
  await cluster.settle()
  expect(cluster.node('n1').log.status().voters.length).toBe(voters)
  for (const node of cluster.up) {
    expect(node.sink.history).toEqual(cluster.node('n1').sink.history)
    expect(node.log.members().length).toBe(members)
    expect(node.log.status().leader).toBe(cluster.leader?.name)
    expect(cluster.clock.monotonicMs() - node.log.leaseSinceMs()).toBeLessThan(10_000)
  }
})

test('what a member speaks once it was upgraded, all the others learn', async () => {
  const cluster = await DecisionCluster.of(3)
  const speaks = { oldest: 2, newest: 3 }
  const known = () => cluster.up.map(({ log }) => log.members().find(({ node }) => node === 'n2')?.speaks?.newest ?? 2)
  expect(known()).toEqual([2, 2, 2])
  await cluster.stop('n2')
  await cluster.start('n2', speaks)
  await cluster.clock.pass(5_000)
  expect(known()).toEqual([3, 3, 3])
  await cluster.stop('n2')
  await cluster.start('n2')
  await cluster.clock.pass(5_000)
  expect(known()).toEqual([2, 2, 2])
})

test('a proposal resolves only once it is applied where it was asked', async () => {
  const cluster = await DecisionCluster.of(5)
  for (const node of cluster.up) {
    const { index } = await cluster.propose(node.name, create(`of-${node.name}`, `u-${node.name}`))
    expect(node.sink.history).toContain(`u-${node.name}@${index}`)
  }
})

test('of many conditional writes to one state exactly one holds', async () => {
  const cluster = await DecisionCluster.of(3)
  const lease = create('lease', 'u1')
  const { index } = await cluster.propose('n1', lease)
  const racers = cluster.up.flatMap((node) =>
    [1, 2, 3].map((n) => node.log.propose(update(lease, `${node.name}-${n}`, index), {})),
  )
  const results = await cluster.run(Promise.allSettled(racers))
  const won = results.filter((result) => result.status === 'fulfilled')
  const lost = results.filter((result) => result.status === 'rejected').map((result) => result.reason.reason)
  expect(won.length).toBe(1)
  expect(lost).toEqual(Array.from({ length: 8 }, () => 'Conflict'))
})

test.each([1, 2, 3, 4, 5, 6])('seed %i: after the leader is killed another leads within 3 s', async (seed) => {
  const cluster = await DecisionCluster.of(5, seed)
  const old = cluster.leader?.name ?? ''
  cluster.kill(old)
  const tookMs = await cluster.clock.until(() => cluster.leader !== undefined, 3_000, 'a new leader')
  expect(tookMs).toBeLessThan(3_000)
  const asked = cluster.up[0]?.name ?? ''
  await cluster.propose(asked, create('after', 'u1'))
  await cluster.start(old)
  await cluster.settle()
  expect(cluster.node(old).sink.objects.get('u1')?.created).toBe(true)
})

test('a minority refuses with 503, a majority goes on, and they agree after the heal', async () => {
  const cluster = await DecisionCluster.of(5)
  const minority = ['n1', 'n2']
  cluster.network.split(
    minority.map((name) => `peer-${name}`),
    ['peer-n3', 'peer-n4', 'peer-n5'],
  )
  await cluster.clock.pass(3_000)
  const refused = cluster.node('n1').log.propose(create('x', 'u1'), {})
  await expect(cluster.run(refused)).rejects.toMatchObject({ reason: 'ServiceUnavailable', code: 503 })
  // The leader has been away for long now: who asks again, as clients do, is told at once.
  const askedMs = cluster.clock.monotonicMs()
  const again = cluster.node('n1').log.propose(create('x', 'u1'), {})
  await expect(cluster.run(again)).rejects.toMatchObject({ code: 503 })
  expect(cluster.clock.monotonicMs() - askedMs).toBeLessThan(100)
  await cluster.propose('n4', create('x', 'u2'))
  cluster.network.split()
  await cluster.settle()
  for (const node of cluster.up) expect([...node.sink.objects.keys()]).toEqual(['u2'])
})

test('a leader that is cut off stops leading before another begins', async () => {
  const cluster = await DecisionCluster.of(3)
  const old = cluster.leader
  if (!old) throw new Error('no leader')
  const others = cluster.up.filter((node) => node !== old)
  cluster.network.split(
    [old.peer],
    others.map((node) => node.peer),
  )
  const began: string[] = []
  for (const node of others) node.log.onLeadership((term) => began.push(`${term} while old: ${old.led.at(-1)}`))
  await cluster.clock.until(() => began.length > 0, 3_000, 'another leader')
  expect(began[0]).toMatch(/while old: -/)
  expect(old.log.status().isLeader).toBe(false)
})

test.each([1, 2, 3, 4])('seed %i: with a lossy network and leaders dying, each write is applied once', async (seed) => {
  const cluster = await DecisionCluster.of(3, seed, { attemptTimeoutMs: 300, commandTimeoutMs: 20_000 })
  cluster.network.loss = 0.15
  const lease = create('counter', 'u1')
  await cluster.propose('n1', lease)
  for (let round = 0; round < 6; round++) {
    const asked = cluster.up[round % cluster.up.length]
    const write = asked?.log.propose(update(lease, `v${round}`), {}) ?? Promise.reject(new Error('nobody is up'))
    const leader = cluster.leader
    if (round % 2 === 1 && leader && leader !== asked) {
      await cluster.clock.pass(4)
      cluster.kill(leader.name)
      await cluster.run(write)
      await cluster.start(leader.name)
    } else await cluster.run(write)
  }
  cluster.network.loss = 0
  await cluster.settle()
  for (const node of cluster.up) {
    const applied = new Set(node.sink.history.filter((one) => one.startsWith('u1@')))
    expect(node.sink.objects.get('u1')?.fields.get('spec.holderIdentity')?.value).toBe('v5')
    // A node that started again was handed the state, not each step towards it.
    if (node.sink.history.length > 6) expect(applied.size).toBe(7)
  }
})

test('a silent split: what was sent into it has an unknown outcome, 504', async () => {
  const cluster = await DecisionCluster.of(3)
  const leader = cluster.leader
  const asked = cluster.up.find((node) => node !== leader)
  if (!leader || !asked) throw new Error('no leader')
  cluster.network.silent = true
  cluster.network.split(
    [asked.peer],
    cluster.up.filter((node) => node !== asked).map((node) => node.peer),
  )
  const write = asked.log.propose(create('x', 'u1'), {})
  await expect(cluster.run(write)).rejects.toMatchObject({ reason: 'Timeout', code: 504 })
})

test('all restart from disk: everything that was decided is there, in order', async () => {
  const cluster = await DecisionCluster.of(3)
  const written: string[] = []
  for (let at = 0; at < 5; at++) {
    const { index } = await cluster.propose('n2', create(`l${at}`, `u${at}`))
    written.push(`u${at}@${index}`)
  }
  for (const name of ['n1', 'n2', 'n3']) cluster.kill(name)
  for (const name of ['n1', 'n2', 'n3']) await cluster.start(name)
  await cluster.settle()
  for (const node of cluster.up) expect(node.sink.history).toEqual(written)
})

test('a node that was away while the log was compacted gets a snapshot', async () => {
  const cluster = await DecisionCluster.of(4, 7, { snapshotEveryEntries: 20, trailingEntries: 5 })
  const away = cluster.up.find((node) => node !== cluster.leader)?.name ?? ''
  cluster.kill(away)
  await cluster.clock.pass(3_000)
  const asked = cluster.up[0]?.name ?? ''
  for (let at = 0; at < 60; at++) await cluster.propose(asked, create(`l${at}`, `u${at}`))
  await cluster.start(away)
  await cluster.settle()
  expect(cluster.node(away).sink.objects.size).toBe(60)
  expect(cluster.node(away).storage.snapshotInfo()?.meta.index).toBeGreaterThan(20)
})

test('leadership is handed over when the leader stops: no election timeout passes', async () => {
  const cluster = await DecisionCluster.of(3)
  const old = cluster.leader?.name ?? ''
  await cluster.stop(old)
  const tookMs = await cluster.clock.until(() => cluster.leader !== undefined, 3_000, 'a new leader')
  expect(tookMs).toBeLessThan(500)
})

test('a full disk takes the leader out of the group, and back when there is room', async () => {
  const cluster = await DecisionCluster.of(3)
  const old = cluster.leader
  if (!old) throw new Error('no leader')
  old.storage.failWith = new Error('ENOSPC')
  const asked = cluster.up.find((node) => node !== old)
  void old.log.command({ type: 'noop' }).catch(() => {})
  await cluster.clock.until(() => cluster.leader !== undefined && cluster.leader !== old, 5_000, 'another leader')
  await cluster.propose(asked?.name ?? '', create('a', 'u1'))
  old.storage.failWith = undefined
  await cluster.settle()
  expect(old.sink.objects.has('u1')).toBe(true)
})
