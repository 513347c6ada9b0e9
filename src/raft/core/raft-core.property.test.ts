import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../lib/seeded-random.ts'
import { SimulatedGroup } from './simulated-group.ts'

/** One random history: faults first, then peace, in which everyone must agree. */
function run(seed: number): SimulatedGroup {
  const random = seededRandom(seed).next
  const count = 3 + Math.floor(random() * 3)
  const ids = Array.from({ length: count }, (_, at) => `s${at}`)
  const voters = ids.slice(0, random() < 0.5 ? count : 3)
  const group = new SimulatedGroup(ids, random, { maxInflightMessages: 4, maxAppendBytes: 128 }, voters)
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)]
  let cut = new Set<string>()
  let proposals = 0
  for (let step = 0; step < 600; step++) {
    const id = pick(ids) ?? 's0'
    const action = random()
    const server = group.servers.get(id)
    if (action < 0.3) server?.core?.tick(1 + Math.floor(random() * 3))
    else if (action < 0.55) for (const one of group.running) group.handle(one)
    else if (action < 0.6) group.handle(id, random() < 0.5 ? 'before store' : 'after store')
    else if (action < 0.66) group.restart(id)
    else if (action < 0.72) server?.core?.propose(new TextEncoder().encode(`p${proposals++}`))
    else if (action < 0.74) cut = new Set(ids.filter(() => random() < 0.3))
    else if (action < 0.75) group.compact(id)
    else if (action < 0.76) server?.core?.transfer(pick(ids) ?? id)
    else if (action < 0.78 && server?.core) {
      const { config } = server.core.status()
      const changed = pick(ids) ?? id
      const next = config.voters.includes(changed)
        ? config.voters.filter((voter) => voter !== changed)
        : [...config.voters, changed]
      server.core.proposeConfig({ voters: next, learners: [] })
    } else if (group.flying.length > 0) {
      const at = Math.floor(random() * group.flying.length)
      const message = group.flying[at]
      const lost = random() < 0.1 || (message && cut.has(message.from) !== cut.has(message.to))
      if (lost) group.flying.splice(at, 1)
      else {
        if (message && random() < 0.05) group.flying.push(message)
        group.deliver(at)
      }
    }
    if (step % 20 === 0) group.checkLogMatching()
  }
  for (const id of ids) group.restart(id)
  group.settle(120)
  return group
}

describe('random histories', () => {
  test.each(Array.from({ length: 300 }, (_, seed) => [seed]))(
    'seed %i: figure 3 holds throughout, and peace brings agreement',
    (seed) => {
      const group = run(seed)
      group.checkLogMatching()
      const leader = group.leader
      expect(leader, 'a leader in peace').toBeDefined()
      if (!leader) return
      const { config, committed, lastIndex } = group.core(leader).status()
      expect(committed).toBe(lastIndex)
      for (const id of config.voters) expect(group.core(id).status()).toMatchObject({ committed, applied: committed })
      expect(group.core(leader).hasLease()).toBe(true)
    },
  )

  test('two servers never hold a lease at once', () => {
    for (let seed = 1000; seed < 1100; seed++) {
      const random = seededRandom(seed).next
      const ids = ['a', 'b', 'c', 'd', 'e']
      const group = new SimulatedGroup(ids, random)
      let cut = new Set<string>()
      for (let step = 0; step < 400; step++) {
        // All clocks run at one speed here; the margin for drift is the shell's concern.
        for (const id of group.running) group.core(id).tick()
        if (random() < 0.05) cut = new Set(ids.filter(() => random() < 0.4))
        if (random() < 0.02) group.core(group.leader ?? 'a').transfer(ids[Math.floor(random() * 5)] ?? 'a')
        for (const id of ids) group.handle(id)
        for (let at = group.flying.length - 1; at >= 0; at--) {
          const message = group.flying[at]
          if (message && cut.has(message.from) !== cut.has(message.to)) group.flying.splice(at, 1)
          else if (random() < 0.7) group.deliver(at)
        }
        if (random() < 0.02) {
          const id = ids[Math.floor(random() * 5)] ?? 'a'
          group.crash(id)
          group.restart(id)
        }
        const holders = ids.filter((id) => group.core(id).hasLease())
        expect(holders.length, `seed ${seed} step ${step}: ${holders}`).toBeLessThan(2)
      }
    }
  })
})
