import { expect, test } from 'vitest'
import { DecisionCluster } from './testing/decision-cluster.ts'

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
  expect(() => Array.from({ length: 40 }, () => first.log.takeClusterIp())).toThrow(/reserve of ClusterIPs is used up/)
})

test('who needs more than the reserve holds gets it, from a leader', async () => {
  const cluster = await DecisionCluster.of(2)
  await cluster.clock.pass(5_000)
  const { log } = cluster.node('n2')
  const taken = new Set<string>()
  const takeAll = (): void => {
    for (;;) taken.add(log.takeClusterIp())
  }
  expect(takeAll).toThrow(/reserve of ClusterIPs is used up/)
  const before = taken.size
  await cluster.run(Promise.all([log.replenish(), log.replenish()]))
  expect(takeAll).toThrow(/reserve of ClusterIPs is used up/)
  expect(taken.size).toBe(2 * before)
  cluster.network.split(['peer-n1'], ['peer-n2'])
  await cluster.clock.pass(20_000)
  await expect(cluster.run(log.replenish())).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
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
