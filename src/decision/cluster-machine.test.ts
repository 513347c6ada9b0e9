import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ObjectEntry } from '../store/decided.ts'
import { ClusterMachine } from './cluster-machine.ts'
import type { Command } from './cluster-state.ts'
import { decodeMachine, encodeMachine } from './machine-snapshot.ts'

function machineWith(...commands: Command[]) {
  const machine = new ClusterMachine()
  let index = 0
  const apply = (command: Command, id = '') => machine.apply({ id, command }, ++index).result
  commands.forEach((command) => apply(command))
  return { machine, apply }
}

const join = (
  node: string,
  token?: { id: string; secretHash: string; nowMs: number },
  peer = `peer-${node}`,
): Command => ({
  type: 'member-add',
  member: { node, peer, addresses: [`/ip4/10.0.0.1/tcp/1/${node}`], apiUrl: `https://${node}:6443`, zone: '' },
  ...(token ? { token } : {}),
})
const value = (result: ReturnType<ReturnType<typeof machineWith>['apply']>) =>
  result.ok ? result.value : result.message

describe('members', () => {
  test('get a number that is never used again, and a pod CIDR that is', () => {
    const { apply } = machineWith(join('a'), join('b'))
    apply({ type: 'member-remove', node: 'b' })
    expect(value(apply(join('c')))).toMatchObject({
      number: 3,
      podCidr: '10.244.1.0/24',
      incarnation: 1,
      role: 'learner',
    })
  })

  test('who joins again under its name is a new incarnation with a new number', () => {
    const { apply } = machineWith(join('a'), join('b'))
    expect(value(apply(join('b')))).toMatchObject({ number: 3, incarnation: 2, podCidr: '10.244.1.0/24' })
    apply({ type: 'member-remove', node: 'b' })
    expect(value(apply(join('b', undefined, 'other')))).toMatchObject({ number: 4, incarnation: 3 })
  })

  test('a name that another identity has is refused, and so is an identity under a second name', () => {
    const { apply } = machineWith(join('a'))
    expect(apply(join('a', undefined, 'other'))).toMatchObject({ ok: false, reason: 'AlreadyExists' })
    expect(apply(join('b', undefined, 'peer-a'))).toMatchObject({ ok: false, reason: 'AlreadyExists' })
  })

  test('the last one cannot be removed; the cluster CIDR bounds their number', () => {
    const machine = new ClusterMachine({ clusterCidr: '10.0.0.0/23', serviceCidr: '10.96.0.0/16' })
    const apply = (command: Command) => machine.apply({ id: '', command }, 1).result
    apply(join('a'))
    expect(apply({ type: 'member-remove', node: 'a' })).toMatchObject({ ok: false, reason: 'Forbidden' })
    apply(join('b'))
    expect(apply(join('c'))).toMatchObject({
      ok: false,
      message: 'cluster CIDR 10.0.0.0/23 has no pod CIDR left for another node',
    })
    expect(machine.membership.members()).toHaveLength(2)
  })
})

describe('join tokens', () => {
  const token = { id: 'abc', secretHash: 'right', expiresMs: 1_000, usesLeft: 1 }
  const create: Command = { type: 'token-create', token }

  test.each([
    [{ id: 'abc', secretHash: 'wrong', nowMs: 0 }, /is wrong, or was deleted/],
    [{ id: 'xyz', secretHash: 'right', nowMs: 0 }, /is wrong, or was deleted/],
    [{ id: 'abc', secretHash: 'right', nowMs: 1_000 }, /has expired/],
  ])('%j is refused', (offered, message) => {
    const { apply } = machineWith(create)
    const result = apply(join('a', offered))
    expect(result).toMatchObject({ ok: false, reason: 'Unauthorized' })
    expect(value(result)).toMatch(message)
  })

  test('is good for as many joins as it says; the same join repeated counts once', () => {
    const { apply, machine } = machineWith(create)
    const offered = { id: 'abc', secretHash: 'right', nowMs: 999 }
    const first = apply(join('a', offered), 'join-1')
    expect(apply(join('a', offered), 'join-1')).toEqual(first)
    expect(value(apply(join('b', offered)))).toMatch(/was already used/)
    expect(machine.membership.tokens()).toEqual([{ ...token, usesLeft: 0 }])
  })

  test('a refused join does not use it up', () => {
    const { apply, machine } = machineWith(join('a'), create)
    apply(join('a', { id: 'abc', secretHash: 'right', nowMs: 0 }, 'other'))
    expect(machine.membership.tokens()[0]?.usesLeft).toBe(1)
  })
})

describe('reserves and claims', () => {
  test('the addresses of the API server and of DNS are taken, range ends are outside', () => {
    const { apply } = machineWith(join('a'))
    for (const clusterIp of ['10.96.0.1', '10.96.0.10']) {
      expect(apply({ type: 'claim', node: 'a', clusterIp, owner: 'x' })).toMatchObject({
        reason: 'Conflict',
        message: 'provided IP is already allocated',
      })
    }
    for (const clusterIp of ['10.96.0.0', '10.96.255.255', '10.95.0.1', 'nonsense']) {
      expect(apply({ type: 'claim', node: 'a', clusterIp, owner: 'x' })).toMatchObject({ reason: 'Invalid' })
    }
    expect(apply({ type: 'claim', node: 'a', nodePort: 29_999, owner: 'x' })).toMatchObject({ reason: 'Invalid' })
  })

  test('a claim holds for its owner, refuses others, changes nothing when half of it is refused', () => {
    const { apply, machine } = machineWith(join('a'))
    apply({ type: 'claim', node: 'a', nodePort: 30_001, owner: 'x' })
    expect(apply({ type: 'claim', node: 'a', clusterIp: '10.96.0.7', nodePort: 30_001, owner: 'y' }).ok).toBe(false)
    const before = machine.clusterIps.free
    expect(apply({ type: 'claim', node: 'a', clusterIp: '10.96.0.7', nodePort: 30_001, owner: 'x' }).ok).toBe(true)
    expect(apply({ type: 'claim', node: 'a', clusterIp: '10.96.0.7', owner: 'x' }).ok).toBe(true)
    expect(machine.clusterIps.free).toBe(before - 1)
    apply({ type: 'release', clusterIps: ['10.96.0.7'], nodePorts: [30_001] })
    expect(apply({ type: 'claim', node: 'a', clusterIp: '10.96.0.7', nodePort: 30_001, owner: 'y' }).ok).toBe(true)
  })

  test('an address of a further range is claimed as one of the first, but never its ends', () => {
    const { apply, machine } = machineWith(join('a'))
    const claim = (clusterIp: string, owner: string) =>
      apply({ type: 'claim', node: 'a', clusterIp, range: '10.150.0.0/24', owner })
    expect(claim('10.150.0.5', 'x').ok).toBe(true)
    expect(claim('10.150.0.5', 'y')).toMatchObject({ reason: 'Conflict' })
    expect(claim('10.150.0.0', 'x').ok).toBe(false)
    expect(claim('10.151.0.5', 'x').ok).toBe(false)
    apply({ type: 'release', clusterIps: ['10.150.0.5'], nodePorts: [] })
    expect(claim('10.150.0.5', 'y').ok).toBe(true)
    expect([...machine.clusterIps.reserve('reserve:a#1', 4)].every((ip) => ip < 0x0a96_0000)).toBe(true)
  })

  test('another node may not claim from a reserve; its own node may; only an orphaned reserve is released', () => {
    const { apply, machine } = machineWith(join('a'), join('b'))
    const { clusterIps } = value(apply({ type: 'reserve', node: 'a', clusterIps: 1, nodePorts: 0 })) as {
      clusterIps: string[]
    }
    const [clusterIp = ''] = clusterIps
    expect(apply({ type: 'claim', node: 'b', clusterIp, owner: 'x' }).ok).toBe(false)
    expect(apply({ type: 'claim', node: 'a', clusterIp, owner: 'x' }).ok).toBe(true)
    const before = machine.clusterIps.free
    apply({ type: 'release', clusterIps, nodePorts: [] })
    expect(machine.clusterIps.free).toBe(before)
    apply(join('a'))
    apply({ type: 'release', clusterIps, nodePorts: [] })
    expect(machine.clusterIps.free).toBe(before + 1)
  })

  test('a used-up range is followed by its lower band, and that by further ranges, to the last address', () => {
    const machine = new ClusterMachine({ clusterCidr: '10.0.0.0/16', serviceCidr: '10.96.0.0/26' })
    const apply = (command: Command) => machine.apply({ id: '', command }, 1).result
    apply(join('a'))
    const reserve = (ranges?: string[]) =>
      (value(apply({ type: 'reserve', node: 'a', clusterIps: 256, nodePorts: 0, ranges })) as { clusterIps: string[] })
        .clusterIps
    const all: string[] = []
    const drain = (ranges?: string[]) => {
      for (let more = reserve(ranges); more.length > 0; more = reserve(ranges)) all.push(...more)
    }
    drain()
    expect(all).toHaveLength(46)
    drain([])
    expect(all).toHaveLength(60)
    drain(['10.150.0.0/29'])
    expect(all.slice(60).toSorted()).toEqual([1, 2, 3, 4, 5, 6].map((last) => `10.150.0.${last}`))
    expect(new Set(all).size).toBe(all.length)
  })

  test('a node cedes what is in its reserve, once, and only as the incarnation that holds it', () => {
    const { apply } = machineWith(join('a'), join('b'))
    const { nodePorts } = value(apply({ type: 'reserve', node: 'a', clusterIps: 0, nodePorts: 1 })) as {
      nodePorts: number[]
    }
    const [nodePort = 0] = nodePorts
    const cede = (node: string, incarnation: number, owner: string) =>
      apply({ type: 'cede', node, incarnation, nodePort, owner })
    expect(cede('b', 1, 'x')).toMatchObject({ reason: 'Conflict', message: 'provided port is already allocated' })
    expect(cede('a', 2, 'x').ok).toBe(false)
    expect(cede('a', 1, 'x').ok).toBe(true)
    expect(cede('a', 1, 'y').ok).toBe(false)
    expect(apply({ type: 'claim', node: 'a', nodePort, owner: 'y' }).ok).toBe(false)
    expect(apply({ type: 'claim', node: 'b', nodePort, owner: 'x' }).ok).toBe(true)
  })

  test('property: nothing is ever given twice, whatever is asked in whatever order', () => {
    const node = fc.constantFrom('a', 'b', 'c')
    const clusterIp = fc.integer({ min: 1, max: 30 }).map((last) => `10.96.0.${last}`)
    const owner = fc.constantFrom('x', 'y')
    const command: fc.Arbitrary<Command> = fc.oneof(
      fc.record({ type: fc.constant('reserve' as const), node, clusterIps: fc.nat(4), nodePorts: fc.constant(0) }),
      fc.record({ type: fc.constant('claim' as const), node, clusterIp, owner }),
      fc.record({ type: fc.constant('cede' as const), node, incarnation: fc.constantFrom(1, 2), clusterIp, owner }),
      node.map((name) => join(name)),
    )
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const machine = new ClusterMachine({ clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/27' })
        const apply = (asked: Command) => machine.apply({ id: '', command: asked }, 1).result
        const incarnations = new Map<string, number>()
        const holders = new Map<string, string>()
        const reserveOf = (name: string, incarnation = incarnations.get(name)) => `reserve of ${name}, ${incarnation}`
        for (const one of [join('a'), join('b'), join('c'), ...commands]) {
          const result = apply(one)
          if (one.type === 'member-add') incarnations.set(one.member.node, (incarnations.get(one.member.node) ?? 0) + 1)
          if (!result.ok) continue
          if (one.type === 'reserve') {
            for (const ip of (result.value as { clusterIps: string[] }).clusterIps) {
              expect(holders.has(ip)).toBe(false)
              holders.set(ip, reserveOf(one.node))
            }
          }
          if (one.type === 'cede' && one.clusterIp !== undefined) {
            expect(holders.get(one.clusterIp)).toBe(reserveOf(one.node, one.incarnation))
            holders.set(one.clusterIp, one.owner)
          }
          if (one.type === 'claim' && one.clusterIp !== undefined) {
            const holder = holders.get(one.clusterIp) ?? one.owner
            expect([one.owner, reserveOf(one.node)]).toContain(holder)
            holders.set(one.clusterIp, holder)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('objects', () => {
  const key = { group: '', resource: 'pods', namespace: 'default', name: 'web' }
  const entry = (op: ObjectEntry['op'], uid: string, stamp: string, rest: Partial<ObjectEntry> = {}): Command => ({
    type: 'object',
    id: '',
    entry: { op, key, uid, stamp, fields: op === 'delete' ? {} : { 'spec.nodeName': stamp }, ...rest },
  })

  test('one name is one live object; after its deletion another may have it', () => {
    const { apply } = machineWith()
    expect(apply(entry('create', 'u1', '1')).ok).toBe(true)
    expect(apply(entry('create', 'u2', '2'))).toMatchObject({
      reason: 'AlreadyExists',
      message: 'pods "web" already exists',
    })
    expect(apply(entry('delete', 'u1', '3')).ok).toBe(true)
    expect(apply(entry('update', 'u1', '4'))).toMatchObject({ reason: 'NotFound' })
    expect(apply(entry('create', 'u2', '5')).ok).toBe(true)
  })

  test('one that is known to be gone is no obstacle', () => {
    const { machine } = machineWith(entry('create', 'u1', '1'))
    const command = { ...entry('create', 'u2', '2'), supersedes: 'u1' } as Command
    expect(machine.apply({ id: '', command }, 9).result.ok).toBe(true)
  })

  test('an entry whose expected index is not that of the object is void', () => {
    const { apply, machine } = machineWith()
    expect(apply(entry('update', 'u1', '1', { expectedIndex: 0 })).ok).toBe(true)
    expect(apply(entry('update', 'u1', '2', { expectedIndex: 0 }))).toMatchObject({ reason: 'Conflict' })
    expect(machine.objects.get('u1')?.fields.get('spec.nodeName')?.value).toBe('1')
    expect(apply(entry('update', 'u1', '2', { expectedIndex: 1 })).ok).toBe(true)
  })

  test('per field the highest stamp counts; what was handed out does not change', () => {
    const { apply, machine } = machineWith(entry('create', 'u1', '5'))
    const before = machine.objects.get('u1')
    apply(entry('update', 'u1', '4', { fields: { 'spec.nodeName': 'old', label: 'new' } }))
    const after = machine.objects.get('u1')
    expect(after?.fields.get('spec.nodeName')).toEqual({ stamp: '5', value: '5' })
    expect(after?.fields.get('label')).toEqual({ stamp: '4', value: 'new' })
    expect(before?.fields.has('label')).toBe(false)
  })

  test('a forgotten object leaves nothing behind', () => {
    const { apply, machine } = machineWith(entry('create', 'u1', '1'), { type: 'forget', uids: ['u1', 'unknown'] })
    expect(machine.objects.size).toBe(0)
    expect(apply(entry('create', 'u2', '2')).ok).toBe(true)
  })

  test('results of the oldest commands are forgotten: the table is bounded', () => {
    const { apply, machine } = machineWith()
    for (let at = 0; at <= 32_768; at++) apply({ type: 'noop' }, `id-${at}`)
    expect(machine.results.size).toBe(32_768)
    expect(machine.results.has('id-0')).toBe(false)
  })
})

describe('snapshot', () => {
  test('holds everything: a machine from it answers all further commands alike', () => {
    const key = { group: 'apps', resource: 'x', namespace: '', name: 'y' }
    const { machine, apply } = machineWith(join('a'), join('b'), {
      type: 'reserve',
      node: 'a',
      clusterIps: 5,
      nodePorts: 3,
    })
    apply({ type: 'token-create', token: { id: 't', secretHash: 's', expiresMs: 9, usesLeft: null } }, 'command-1')
    const entry: ObjectEntry = { op: 'create', key, uid: 'u1', stamp: '7', fields: { a: { b: [1] }, gone: null } }
    apply({ type: 'object', id: '', entry })
    apply({ type: 'member-remove', node: 'b' })
    const again = decodeMachine(encodeMachine(machine))
    const next: Command[] = [join('b'), { type: 'reserve', node: 'a', clusterIps: 2, nodePorts: 2 }]
    for (const command of next) {
      expect(again.apply({ id: '', command }, 50)).toEqual(machine.apply({ id: '', command }, 50))
    }
    expect([...again.objects.values()]).toEqual([...machine.objects.values()])
    expect(again.results).toEqual(machine.results)
    expect(again.membership.encode()).toEqual(machine.membership.encode())
    expect([...again.clusterIps.entries()].toSorted()).toEqual([...machine.clusterIps.entries()].toSorted())
  })

  test('is what it was when it was begun, and comes in parts', () => {
    const { machine, apply } = machineWith()
    const big = 'x'.repeat(700_000)
    const key = (name: string) => ({ group: '', resource: 'x', namespace: '', name })
    const write = (op: 'create' | 'update', uid: string, stamp: string) =>
      apply({ type: 'object', id: '', entry: { op, key: key(uid), uid, stamp, fields: { big: big + stamp } } })
    for (const uid of ['u1', 'u2', 'u3']) write('create', uid, '1')
    const chunks = encodeMachine(machine)
    const first = chunks.next().value
    for (const uid of ['u1', 'u2', 'u3', 'u4']) write(uid === 'u4' ? 'create' : 'update', uid, '2')
    const rest = [...chunks]
    const again = decodeMachine([first ?? new Uint8Array(), ...rest])
    expect(rest.length).toBeGreaterThan(0)
    expect([...again.objects.values()].map((one) => one.fields.get('big')?.stamp)).toEqual(['1', '1', '1'])
  })

  test('of an unknown format is refused', () => {
    const bytes = new TextEncoder().encode('{"format":99}\n')
    expect(() => decodeMachine([bytes])).toThrow(/format 99/)
  })
})

test('a command of a later version stops this node, which says which version to run', () => {
  const machine = new ClusterMachine()
  const logged = { id: 'a', command: { type: 'member-promote', node: 'n1' } as unknown as Command }
  expect(() => machine.apply(logged, 17)).toThrow(
    'entry 17 of the decision log is "member-promote", which this version of stormo does not know: ' +
      'a later one wrote it. Run that version on this node',
  )
})
