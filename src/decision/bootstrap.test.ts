import { describe, expect, test } from 'vitest'
import { forceRecover, initCluster, restoreCluster } from './bootstrap.ts'
import { decodeMachine, encodeMachine } from './machine-snapshot.ts'
import { createMemoryLogStorage } from './memory-log-storage.ts'
import { create, DecisionCluster } from './testing/decision-cluster.ts'

const member = { node: 'n1', peer: 'p1', addresses: [], apiUrl: 'https://n1:6443', zone: '' }

describe('a new cluster', () => {
  test('has one member, number 1, which is the voter', async () => {
    const first = await initCluster(createMemoryLogStorage(), member)
    expect(first).toMatchObject({ number: 1, incarnation: 1, role: 'voter', podCidr: '10.244.0.0/24' })
  })

  test('is not made where there is one already', async () => {
    const storage = createMemoryLogStorage()
    await initCluster(storage, member)
    await expect(initCluster(storage, member)).rejects.toThrow(/already belongs to a cluster/)
  })

  test('a joiner learns the ranges of the cluster', async () => {
    const cluster = await DecisionCluster.of(3)
    expect(cluster.node('n3').log.members()).toMatchObject([{ number: 1 }, { number: 2 }, { number: 3 }])
  })
})

describe('a cluster made from a backup', () => {
  test('has what was decided, one member of the same name or another, no tokens, and a higher generation', async () => {
    const cluster = await DecisionCluster.of(3)
    const { log } = cluster.node('n1')
    await cluster.run(log.propose(create('kept', 'u1'), {}))
    await cluster.run(
      log.command({ type: 'token-create', token: { id: 't', secretHash: 's', expiresMs: 1, usesLeft: 1 } }),
    )
    await cluster.settle()
    const state = log.snapshot()
    // What is decided later is not in it.
    await cluster.run(log.propose(create('later', 'u2'), {}))
    await cluster.settle()
    const storage = createMemoryLogStorage()
    const first = await restoreCluster(storage, state, { ...member, peer: 'new' })
    expect(first).toMatchObject({ node: 'n1', peer: 'new', number: 4, incarnation: 2, role: 'voter' })
    const stored = storage.load()
    const machine = decodeMachine(stored?.snapshot?.chunks ?? [])
    expect(machine.membership.members()).toEqual([first])
    expect(machine.membership.tokens()).toEqual([])
    expect([...machine.objects.values()].map(({ uid }) => uid)).toEqual(['u1'])
    expect(stored?.generation).toBe((log.status().generation ?? 0) + 1)
    expect(stored?.snapshot?.meta).toMatchObject({ index: state.index + 1, config: { voters: ['new'] } })
    await expect(restoreCluster(storage, log.snapshot(), member)).rejects.toThrow(/already belongs to a cluster/)
  })
})

test('machines that come back to a restored cluster get the pod CIDRs of their Nodes, and others get none of these', async () => {
  const cluster = await DecisionCluster.of(3)
  const cidrs = new Map(
    cluster
      .node('n1')
      .log.members()
      .map(({ node, podCidr }) => [node, podCidr]),
  )
  const storage = createMemoryLogStorage()
  const first = await restoreCluster(storage, cluster.node('n1').log.snapshot(), { ...member, node: 'n3', peer: 'new' })
  expect(first.podCidr).toBe(cidrs.get('n3'))
  // A snapshot on the way must not lose them.
  const machine = decodeMachine(encodeMachine(decodeMachine(storage.load()?.snapshot?.chunks ?? [])))
  const join = (node: string) => machine.membership.add({ type: 'member-add', member: { ...member, node, peer: node } })
  expect([...cidrs.values()]).not.toContain(join('other').podCidr)
  expect(join('n2').podCidr).toBe(cidrs.get('n2'))
  expect(join('n1').podCidr).toBe(cidrs.get('n1'))
})

describe('forced recovery', () => {
  test('there must be something to recover, and this node must be part of it', async () => {
    const storage = createMemoryLogStorage()
    await expect(forceRecover(storage, { node: 'n1', peer: 'p1' })).rejects.toThrow(/nothing to recover/)
    await initCluster(storage, member)
    await expect(forceRecover(storage, { node: 'n2', peer: 'p2' })).rejects.toThrow(/not a member/)
  })

  test('one survivor goes on as a new generation; who comes back takes it over, with what it had void', async () => {
    const cluster = await DecisionCluster.of(3)
    await cluster.run(cluster.node('n1').log.propose(create('kept', 'u1'), {}))
    await cluster.settle()
    const survivor = cluster.node('n1')
    cluster.kill('n1')
    // Decided by the others alone: void after the recovery.
    await cluster.run(cluster.node('n2').log.propose(create('void', 'u2'), {}), 10_000)
    cluster.kill('n2')
    cluster.kill('n3')
    const recovered = await cluster.run(forceRecover(survivor.storage, { node: 'n1', peer: survivor.peer }))
    expect(recovered).toMatchObject({ generation: 2, members: [{ node: 'n1', role: 'voter' }, {}, {}] })
    await cluster.start('n1')
    await cluster.run(survivor.log.propose(create('new', 'u3'), {}))
    // The old majority comes back as such: it must not go on by itself for long.
    await cluster.start('n2')
    await cluster.start('n3')
    await cluster.clock.pass(15_000)
    await cluster.settle()
    for (const node of cluster.up) {
      expect(node.log.status().generation).toBe(2)
      expect(node.log.status().leader).toBe(cluster.leader?.name)
    }
    for (const name of ['n2', 'n3']) {
      cluster.kill(name)
      await cluster.start(name)
    }
    await cluster.settle()
    for (const node of cluster.up) expect([...node.sink.objects.keys()].toSorted()).toEqual(['u1', 'u3'])
  })
})
