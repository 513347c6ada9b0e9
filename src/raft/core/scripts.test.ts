import { describe, expect, test } from 'vitest'
import { RaftCore } from './raft-core.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { SimulatedGroup } from './simulated-group.ts'
import type { Entry, HardState, Message, RaftConfig } from './types.ts'

/** Runs one script, one command a line, and returns what each server sent and where all of them stand. */
function play(script: string): string {
  const lines = script.trim().split('\n')
  const ids = lines[0]?.trim().split(/\s+/).slice(1) ?? []
  const group = new SimulatedGroup(ids, seededRandom(1).next)
  const cut = new Set<string>()
  const drain = () => {
    for (let moved = true; moved;) {
      moved = false
      for (const id of group.running) {
        if (group.core(id).hasReady) moved = true
        group.handle(id)
      }
      while (group.flying.length > 0) {
        const [message] = group.flying
        if (message && cut.has(message.from) === cut.has(message.to)) group.deliver(0)
        else group.flying.shift()
        moved = true
      }
    }
  }
  for (const line of lines.slice(1)) {
    const [verb, id = '', ...rest] = line.trim().split(/\s+/)
    if (verb === 'campaign') group.core(id).campaign()
    else if (verb === 'propose') group.core(id).propose(new TextEncoder().encode(rest.join(' ')))
    else if (verb === 'tick') {
      for (let at = 0; at < Number(rest[0] ?? id); at++) {
        for (const one of rest[0] === undefined ? group.running : [id]) group.core(one).tick()
        drain()
      }
    } else if (verb === 'cut') for (const one of [id, ...rest]) cut.add(one)
    else if (verb === 'heal') cut.clear()
    else if (verb === 'crash') group.crash(id)
    else if (verb === 'restart') group.restart(id)
    else if (verb === 'transfer') group.core(id).transfer(rest[0] ?? '')
    else if (verb === 'voters') {
      const answer = group.core(id).proposeConfig({ voters: rest, learners: [] })
      if ('refused' in answer) return `refused: ${answer.refused}`
    }
    drain()
  }
  return ids
    .filter((id) => group.running.includes(id))
    .map((id) => {
      const { role, term, committed, lastIndex, leader } = group.core(id).status()
      return `${id} ${role} term=${term} leader=${leader} log=${lastIndex} commit=${committed}`
    })
    .join('\n')
}

describe('scripts', () => {
  test('§5.2: a candidate that wins a majority becomes leader; its first entry is a no-op of its term', () => {
    expect(play(`group a b c\n campaign a\n tick 2`)).toMatchInlineSnapshot(`
      "a leader term=1 leader=a log=1 commit=1
      b follower term=1 leader=a log=1 commit=1
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('§5.3: an entry that a majority stores is committed, and followers learn of it', () => {
    expect(play(`group a b c\n campaign a\n cut c\n propose a x\n propose a y`)).toMatchInlineSnapshot(`
      "a leader term=1 leader=a log=3 commit=3
      b follower term=1 leader=a log=3 commit=3
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('§5.3: a minority stores, and commits nothing', () => {
    expect(play(`group a b c\n campaign a\n cut a\n propose a x`)).toMatchInlineSnapshot(`
      "a leader term=1 leader=a log=2 commit=1
      b follower term=1 leader=a log=1 commit=1
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('§5.3: entries of a deposed leader that conflict are replaced', () => {
    const script = `group a b c\n campaign a\n cut a\n propose a x\n propose a y\n tick 25\n heal\n tick 5`
    expect(play(script)).toMatchInlineSnapshot(`
      "a follower term=2 leader=b log=2 commit=2
      b leader term=2 leader=b log=2 commit=2
      c follower term=2 leader=b log=2 commit=2"
    `)
  })

  test('§5.4.1: a server that lacks committed entries is not elected', () => {
    const script = `group a b c\n campaign a\n cut c\n propose a x\n heal\n crash a\n tick c 12\n tick b 12\n campaign c`
    expect(play(script)).toMatchInlineSnapshot(`
      "b leader term=2 leader=b log=3 commit=3
      c pre-candidate term=2 leader=null log=3 commit=3"
    `)
  })

  test('§5.5: a follower that was down catches up', () => {
    expect(play(`group a b c\n campaign a\n crash c\n propose a x\n restart c\n tick 4`)).toMatchInlineSnapshot(`
      "a leader term=1 leader=a log=2 commit=2
      b follower term=1 leader=a log=2 commit=2
      c follower term=1 leader=a log=2 commit=2"
    `)
  })

  test('thesis §6.2: a leader that no majority answers steps down', () => {
    expect(play(`group a b c\n campaign a\n cut a\n tick a 12`)).toMatchInlineSnapshot(`
      "a follower term=1 leader=null log=1 commit=1
      b follower term=1 leader=a log=1 commit=1
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('a leader that slept hears its followers before it gives up, without a lease', () => {
    const group = new SimulatedGroup(['a', 'b', 'c'], seededRandom(1).next)
    group.core('a').campaign()
    group.settle(1)
    const leader = group.core('a')
    leader.tick(15)
    expect([leader.role, leader.hasLease()]).toEqual(['leader', false])
    group.settle(2)
    expect([leader.role, leader.hasLease()]).toEqual(['leader', true])
  })

  test('a leader that slept and is not answered then either steps down', () => {
    const group = new SimulatedGroup(['a', 'b', 'c'], seededRandom(1).next)
    group.core('a').campaign()
    group.settle(1)
    const leader = group.core('a')
    leader.tick(15)
    for (let passed = 0; passed < 10; passed++) leader.tick()
    expect(leader.role).toBe('follower')
  })

  test('thesis §9.6: a server that was cut off does not raise its term, and disturbs nobody on return', () => {
    expect(play(`group a b c\n campaign a\n cut c\n tick 60\n heal\n tick 4`)).toMatchInlineSnapshot(`
      "a leader term=1 leader=a log=1 commit=1
      b follower term=1 leader=a log=1 commit=1
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('thesis §3.10: leadership is transferred at once, without waiting for a timeout', () => {
    expect(play(`group a b c\n campaign a\n propose a x\n transfer a b`)).toMatchInlineSnapshot(`
      "a follower term=2 leader=b log=3 commit=3
      b leader term=2 leader=b log=3 commit=3
      c follower term=2 leader=b log=3 commit=3"
    `)
  })

  test('a leader that restarts is a follower', () => {
    expect(play(`group a b c\n campaign a\n crash a\n restart a`)).toMatchInlineSnapshot(`
      "a follower term=1 leader=null log=1 commit=1
      b follower term=1 leader=a log=1 commit=1
      c follower term=1 leader=a log=1 commit=1"
    `)
  })

  test('the only voter leads by itself', () => {
    expect(play(`group a\n campaign a\n propose a x`)).toMatchInlineSnapshot(
      `"a leader term=1 leader=a log=2 commit=2"`,
    )
  })

  test('thesis §4.1: a second change waits for the first', () => {
    expect(play(`group a b c\n campaign a\n cut a\n voters a a b\n voters a a`)).toBe('refused: change in progress')
  })

  test('the published correction: no change before an entry of this term is committed', () => {
    // The first leader's change is not committed; the second may not begin its own on top of its old-term log.
    expect(play(`group a b c d\n cut c d\n campaign a\n voters a a b c`)).toBe('refused: not leader')
    const group = new SimulatedGroup(['a', 'b', 'c'], seededRandom(1).next)
    group.core('a').campaign()
    while (group.leader === undefined) {
      for (const id of group.running) group.handle(id)
      while (group.leader === undefined && group.flying.length > 0) group.deliver(0)
    }
    expect(group.core('a').proposeConfig({ voters: ['a', 'b'], learners: [] })).toEqual({
      refused: 'term not committed',
    })
    group.settle(1)
    expect(group.core('a').proposeConfig({ voters: ['a', 'b'], learners: [] })).toHaveProperty('index')
  })

  test('a change may touch one voter only', () => {
    expect(play(`group a b c\n campaign a\n voters a a`)).toBe('refused: more than one voter changes')
  })

  test('thesis §4.2.2: a leader that removes itself serves until that is committed, then steps down', () => {
    expect(play(`group a b c\n campaign a\n voters a b c`)).toMatchInlineSnapshot(`
      "a follower term=1 leader=null log=2 commit=2
      b follower term=1 leader=a log=2 commit=2
      c follower term=1 leader=a log=2 commit=2"
    `)
  })
})

describe('one server', () => {
  const config: RaftConfig = { voters: ['a', 'b', 'c'], learners: [] }
  function server(hardState: Partial<HardState> = {}, entries: Entry[] = []): RaftCore {
    return new RaftCore({
      self: 'a',
      hardState: { term: 0, vote: null, commit: 0, ...hardState },
      base: { index: 0, term: 0, config },
      entries,
      random: () => 0,
    })
  }
  const vote = (from: string, term: number, rest: { transfer?: boolean; lastTerm?: number } = {}): Message => ({
    type: 'vote',
    from,
    to: 'a',
    term,
    lastIndex: 9,
    lastTerm: 9,
    transfer: false,
    ...rest,
  })
  const heartbeat: Message = { type: 'heartbeat', from: 'b', to: 'a', term: 3, commit: 0, tick: 1 }
  const sent = (core: RaftCore) => {
    const { messages } = core.ready()
    core.advance()
    return messages
  }

  test('§5.2: votes once a term, and again for the same candidate', () => {
    const core = server()
    core.step(vote('b', 1))
    core.step(vote('c', 1))
    core.step(vote('b', 1))
    expect(sent(core).map((one) => one.type === 'vote-reply' && [one.to, one.granted])).toEqual([
      ['b', true],
      ['c', false],
      ['b', true],
    ])
  })

  test('§5.2: its vote and term are to be stored in the Ready that sends the answer, and hold after a restart', () => {
    const core = server()
    core.step(vote('b', 1))
    const ready = core.ready()
    expect(ready).toMatchObject({ sync: true, hardState: { term: 1, vote: 'b' }, messages: [{ granted: true }] })
    const again = server({ term: 1, vote: 'b' })
    again.tick(10)
    again.step(vote('c', 1))
    expect(sent(again).filter((one) => one.type === 'vote-reply')).toMatchObject([{ granted: false }])
  })

  test('thesis §6.4.1: gives no vote while its leader was heard lately, unless that asked for the election', () => {
    const core = server()
    core.step(heartbeat)
    core.step(vote('c', 4))
    expect(core.term).toBe(3)
    core.step(vote('c', 4, { transfer: true }))
    expect(core.term).toBe(4)
    const late = server()
    late.step(heartbeat)
    late.tick(10)
    late.step(vote('c', 4))
    expect(late.term).toBeGreaterThanOrEqual(4)
  })

  test('gives no vote just after a restart: it may have promised to wait', () => {
    const core = server({ term: 3 })
    core.tick(9)
    core.step(vote('c', 4))
    expect(core.term).toBe(3)
    core.tick(1)
    core.step(vote('c', 4))
    expect(core.term).toBe(4)
  })

  test('entries are acknowledged in the Ready that stores them', () => {
    const core = server()
    const entries: Entry[] = [{ kind: 'noop', index: 1, term: 3 }]
    core.step({ type: 'append', from: 'b', to: 'a', term: 3, prevIndex: 0, prevTerm: 0, entries, commit: 0, tick: 1 })
    expect(core.ready()).toMatchObject({
      entries,
      sync: true,
      messages: [{ type: 'append-reply', ok: true, index: 1 }],
    })
  })

  test('more data than the limit is refused until some of it is committed', () => {
    const core = new RaftCore({
      self: 'a',
      hardState: { term: 0, vote: null, commit: 0 },
      base: { index: 0, term: 0, config: { voters: ['a'], learners: [] } },
      entries: [],
      options: { maxUncommittedBytes: 1_000 },
      random: () => 0,
    })
    core.campaign()
    expect(core.propose(new Uint8Array(900))).toBeDefined()
    expect(core.propose(new Uint8Array(900))).toBeUndefined()
    core.ready()
    core.advance()
    expect(core.propose(new Uint8Array(900))).toBeDefined()
  })

  test('committed entries are taken from anyone, without gaps; a snapshot only when it is news', () => {
    const core = server()
    const noop = (index: number): Entry => ({ kind: 'noop', index, term: 2 })
    expect(core.adopt([noop(2)])).toBe(false)
    expect(core.adopt([noop(1), noop(2)])).toBe(true)
    expect(core.ready().committed).toEqual([noop(1), noop(2)])
    core.advance()
    expect(core.restore({ index: 2, term: 2, config })).toBe(false)
    expect(core.restore({ index: 7, term: 2, config })).toBe(true)
    expect(core.ready()).toMatchObject({ snapshot: { index: 7 }, sync: true, committed: [] })
  })
})
