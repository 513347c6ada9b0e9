import { describe, expect, test } from 'vitest'
import type { Member } from './cluster-state.ts'
import { planVoters, wantedVoters, type VoterFacts } from './voter-plan.ts'

const member = (peer: string, at: number, zone = ''): Member => ({
  node: peer,
  peer,
  number: at + 1,
  incarnation: 1,
  addresses: [],
  apiUrl: '',
  role: 'learner',
  zone,
  podCidr: '',
})

/** `a/z1` is a member of zone z1. The first one leads; everybody has everything. */
function facts(members: string[], voters: string[], rest: Partial<VoterFacts> & { dead?: string[] } = {}): VoterFacts {
  const { dead = [], ...more } = rest
  return {
    self: voters[0] ?? '',
    members: members.map((text, at) => member(text.split('/')[0] ?? '', at, text.split('/')[1])),
    config: { voters, learners: [] },
    lastIndex: 1_000,
    match: new Map(members.map((text) => [text.split('/')[0] ?? '', 1_000])),
    alive: (peer) => !dead.includes(peer),
    lost: (peer) => dead.includes(peer),
    ...more,
  }
}

describe('voters', () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
    [6, 5],
    [7, 7],
    [8, 7],
    [500, 7],
  ])('%i members want %i', (members, wanted) => {
    expect(wantedVoters(members)).toBe(wanted)
  })

  test.each<[string, VoterFacts, ReturnType<typeof planVoters>]>([
    ['nothing to do', facts(['a', 'b', 'c'], ['a', 'b', 'c']), undefined],
    [
      'a new voter begins as a learner',
      facts(['a', 'b', 'c'], ['a', 'b']),
      { change: { voters: ['a', 'b'], learners: ['c'] }, why: 'a voter is missing' },
    ],
    [
      'and counts once it has caught up',
      facts(['a', 'b', 'c'], ['a', 'b'], { config: { voters: ['a', 'b'], learners: ['c'] } }),
      { change: { voters: ['a', 'b', 'c'], learners: [] }, why: 'learner has caught up' },
    ],
    [
      'not before',
      facts(['a', 'b', 'c'], ['a', 'b'], {
        config: { voters: ['a', 'b'], learners: ['c'] },
        match: new Map([['c', 10]]),
      }),
      undefined,
    ],
    [
      'of the zone with the fewest voters',
      facts(['a/1', 'b/1', 'c/1', 'd/2', 'e/2'], ['a', 'b', 'd']),
      { change: { voters: ['a', 'b', 'd'], learners: ['e'] }, why: 'a voter is missing' },
    ],
    [
      'a lost voter stays while nobody can take its place',
      facts(['a', 'b', 'c'], ['a', 'b', 'c'], { dead: ['c'] }),
      undefined,
    ],
    [
      'a lost voter goes when somebody can',
      facts(['a', 'b', 'c', 'd'], ['a', 'b', 'c'], { dead: ['c'] }),
      { change: { voters: ['a', 'b'], learners: [] }, why: 'voter is lost' },
    ],
    [
      'a voter that is no member goes',
      facts(['a', 'b'], ['a', 'b', 'x']),
      { change: { voters: ['a', 'b'], learners: [] }, why: 'voter is no longer a member' },
    ],
    ['a leader that is no member hands over', facts(['b', 'c'], ['a', 'b', 'c']), { transferTo: 'b' }],
    [
      'one too many: of the crowded zone, never the leader',
      facts(['a/1', 'b/1', 'c/1', 'd/2'], ['a', 'b', 'c', 'd']),
      { change: { voters: ['a', 'b', 'd'], learners: [] }, why: 'more voters than wanted' },
    ],
    [
      'a crowded zone gives one to an empty one',
      facts(['a/1', 'b/1', 'c/1', 'd/2'], ['a', 'b', 'c']),
      { change: { voters: ['a', 'b'], learners: [] }, why: 'another zone has fewer voters' },
    ],
  ])('%s', (_name, given, expected) => {
    expect(planVoters(given)).toEqual(expected)
  })

  test('the steps end, with as many voters as wanted, whatever the start', () => {
    for (let count = 1; count <= 12; count++) {
      const members = Array.from({ length: count }, (_, at) => `m${at}/${at % 4}`)
      let given = facts(members, ['m0'])
      for (let step = 0; step < 40; step++) {
        const plan = planVoters(given)
        if (!plan || 'transferTo' in plan) break
        given = { ...given, config: plan.change }
        expect(step).toBeLessThan(39)
      }
      expect(given.config.voters).toHaveLength(wantedVoters(count))
      expect(given.config.learners).toEqual([])
    }
  })
})
