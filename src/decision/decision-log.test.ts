import { describe, expect, test } from 'vitest'
import { create, DecisionCluster, update } from './testing/decision-cluster.ts'

const proposeOn = (cluster: DecisionCluster, node: string, proposal: ReturnType<typeof create>) =>
  cluster.run(cluster.node(node).log.propose(proposal, {}))

describe('decision log', () => {
  test('one node alone decides', async () => {
    const cluster = await DecisionCluster.of(1)
    const { index } = await proposeOn(cluster, 'n1', create('a', 'u1'))
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
    await proposeOn(cluster, last, create('a', 'u1'))
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
    const known = () =>
      cluster.up.map(({ log }) => log.members().find(({ node }) => node === 'n2')?.speaks?.newest ?? 2)
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
      const { index } = await proposeOn(cluster, node.name, create(`of-${node.name}`, `u-${node.name}`))
      expect(node.sink.history).toContain(`u-${node.name}@${index}`)
    }
  })

  test('of many conditional writes to one state exactly one holds', async () => {
    const cluster = await DecisionCluster.of(3)
    const lease = create('lease', 'u1')
    const { index } = await proposeOn(cluster, 'n1', lease)
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
    await proposeOn(cluster, asked, create('after', 'u1'))
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
    await proposeOn(cluster, 'n4', create('x', 'u2'))
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

  test.each([1, 2, 3, 4])(
    'seed %i: with a lossy network and leaders dying, each write is applied once',
    async (seed) => {
      const cluster = await DecisionCluster.of(3, seed, { attemptTimeoutMs: 300, commandTimeoutMs: 20_000 })
      cluster.network.loss = 0.15
      const lease = create('counter', 'u1')
      await proposeOn(cluster, 'n1', lease)
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
    },
  )

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
      const { index } = await proposeOn(cluster, 'n2', create(`l${at}`, `u${at}`))
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
    for (let at = 0; at < 60; at++) await proposeOn(cluster, asked, create(`l${at}`, `u${at}`))
    await cluster.start(away)
    await cluster.settle()
    expect(cluster.node(away).sink.objects.size).toBe(60)
    expect(cluster.node(away).storage.snapshotInfo()?.meta.index).toBeGreaterThan(20)
  })

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

  test.each(['leader', 'follower'])(
    'of two members the %s leaves, and the other leads on without it',
    async (which) => {
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
    },
  )

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
    await proposeOn(cluster, asked?.name ?? '', create('a', 'u1'))
    old.storage.failWith = undefined
    await cluster.settle()
    expect(old.sink.objects.has('u1')).toBe(true)
  })
})

describe('reserves', () => {
  test('nodes hand out values of their own, also when cut off; nobody gives one twice', async () => {
    const cluster = await DecisionCluster.of(3)
    await cluster.clock.pass(5_000)
    cluster.network.split(['peer-n1'], ['peer-n2'], ['peer-n3'])
    const taken = cluster.up.flatMap((node) => Array.from({ length: 10 }, () => node.log.takeClusterIp()))
    const ports = cluster.up.flatMap((node) => Array.from({ length: 5 }, () => node.log.takeNodePort()))
    expect(new Set(taken).size).toBe(30)
    expect(new Set(ports).size).toBe(15)
    const [first] = cluster.up
    if (!first) throw new Error('nobody is up')
    expect(() => Array.from({ length: 40 }, () => first.log.takeClusterIp())).toThrow(
      /reserve of ClusterIPs is used up/,
    )
  })

  test('what is used after a restart is not handed out again; what was given back is', async () => {
    const cluster = await DecisionCluster.of(1)
    await cluster.clock.pass(5_000)
    const node = cluster.node('n1')
    const used = node.log.takeClusterIp()
    const returned = node.log.takeClusterIp()
    node.used.add(used)
    node.log.returnClusterIp(returned)
    expect(node.log.takeClusterIp()).toBe(returned)
    cluster.kill('n1')
    await cluster.start('n1')
    expect(node.log.takeClusterIp()).not.toBe(used)
  })

  test('a given value of the own reserve is taken once, also without a leader', async () => {
    const cluster = await DecisionCluster.of(2)
    await cluster.clock.pass(5_000)
    const { log, used } = cluster.node('n1')
    const port = log.takeNodePort()
    cluster.network.split(['peer-n1'], ['peer-n2'])
    await cluster.clock.pass(20_000)
    const claim = (value: string | number) => cluster.run(log.claim(value, { owner: 'x' }))
    await expect(claim(port)).rejects.toThrow('provided port is already allocated')
    log.returnNodePort(port)
    await claim(port)
    used.add(String(port))
    expect(log.takeNodePort()).not.toBe(port)
    await expect(claim(port)).rejects.toThrow('provided port is already allocated')
    await expect(claim('10.96.0.77')).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
  })

  test('a value in the reserve of another node is had of it, and never handed out there again', async () => {
    const cluster = await DecisionCluster.of(3)
    await cluster.clock.pass(5_000)
    const [holder, asker] = [cluster.node('n1'), cluster.node('n2')]
    const port = holder.log.takeNodePort()
    const ip = holder.log.takeClusterIp()
    const claim = (value: string | number, owner: string) => cluster.run(asker.log.claim(value, { owner }))
    await expect(claim(port, 'x')).rejects.toThrow('provided port is already allocated')
    holder.log.returnNodePort(port)
    holder.log.returnClusterIp(ip)
    await Promise.all([claim(port, 'x'), claim(ip, 'x')])
    await expect(claim(port, 'y')).rejects.toThrow('provided port is already allocated')
    await claim(port, 'x')
    cluster.kill('n1')
    cluster.network.split(['peer-n1'], ['peer-n2', 'peer-n3'])
    await cluster.start('n1')
    const { log } = cluster.node('n1')
    const ports = Array.from({ length: 7 }, () => log.takeNodePort())
    const ips = Array.from({ length: 31 }, () => log.takeClusterIp())
    expect(ports).not.toContain(port)
    expect(ips).not.toContain(ip)
  })

  test('a value whose holder does not answer is refused, with its name', async () => {
    const cluster = await DecisionCluster.of(3)
    await cluster.clock.pass(5_000)
    const port = cluster.node('n3').log.takeNodePort()
    cluster.node('n3').log.returnNodePort(port)
    cluster.network.split(['peer-n1', 'peer-n2'], ['peer-n3'])
    await cluster.clock.pass(20_000)
    const refused = cluster.run(cluster.node('n1').log.claim(port, { owner: 'x' }))
    await expect(refused).rejects.toThrow(`provided ${port} is in the reserve of node n3, which does not let go`)
    expect(cluster.node('n3').log.takeNodePort()).toBe(port)
  })

  test('a used-up reserve is filled again', async () => {
    const cluster = await DecisionCluster.of(2)
    await cluster.clock.pass(5_000)
    const { log, used } = cluster.node('n2')
    const seen = new Set<string>()
    for (let at = 0; at < 100; at++) {
      const ip = log.takeClusterIp()
      expect(seen.has(ip)).toBe(false)
      seen.add(ip)
      used.add(ip)
      if (at % 10 === 9) await cluster.clock.pass(3_000)
    }
  })
})

describe('leases of nodes', () => {
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
    const { index } = await proposeOn(cluster, leader, create('a', 'u1'))
    const restarted = cluster.start(away)
    await cluster.clock.until(
      () => cluster.node(away).log.leaseSinceMs() > -Infinity,
      60_000,
      'the node has a lease again',
    )
    await restarted
    expect(cluster.node(away).log.status().appliedIndex).toBeGreaterThanOrEqual(index)
  })
})
