import { describe, expect, it } from 'vitest'
import * as checks from './checks.ts'
import type { ConditionalWrite, DeclaredWrite, FieldWrite, Outcome } from './history.ts'

/** The verdicts themselves: each finds the fault that it is for, and lets pass what is allowed. No cluster is needed. */
describe('the check of', () => {
  it('leaders finds a second one of a term', () => {
    const first = { node: 'a', term: 2, leader: 'a' }
    expect(checks.leadersOfTerms([first, { ...first, node: 'b' }, { node: 'b', term: 3, leader: 'b' }])).toEqual([])
    expect(checks.leadersOfTerms([first, { ...first, leader: 'b' }])).toHaveLength(1)
  })

  it('declared writes finds what is lost, what was refused and what came back', () => {
    const write = (verb: DeclaredWrite['verb'], outcome: Outcome): DeclaredWrite => ({
      node: 'a',
      verb,
      name: 'x',
      outcome,
      error: '',
    })
    const judge = (there: boolean, ...writes: DeclaredWrite[]): number =>
      checks.declaredWrites(writes, new Set(there ? ['x'] : []), 'b').length
    expect(judge(false, write('create', 'acknowledged'))).toBe(1)
    expect(judge(true, write('create', 'refused'))).toBe(1)
    expect(judge(true, write('create', 'acknowledged'), write('delete', 'acknowledged'))).toBe(1)
    expect(judge(false, write('create', 'acknowledged'), write('delete', 'refused'))).toBe(1)
    for (const there of [true, false]) {
      expect(judge(there, write('create', 'unknown'))).toBe(0)
      expect(judge(there, write('create', 'acknowledged'), write('delete', 'unknown'))).toBe(0)
    }
  })

  it('fields finds a value that was overwritten by its own writer, or refused', () => {
    const write = (value: string, outcome: Outcome, node = 'a'): FieldWrite => ({ node, field: 'f', value, outcome })
    const writes = [
      write('1', 'acknowledged'),
      write('2', 'acknowledged'),
      write('3', 'refused'),
      write('4', 'unknown'),
    ]
    const allowed = ['1', '2', '3', '4'].filter((f) => checks.fieldWrites(writes, { f }).length === 0)
    expect(allowed).toEqual(['2', '4'])
    const ofTwo = [...writes, write('5', 'acknowledged', 'b')]
    expect(['1', '3', '5'].filter((f) => checks.fieldWrites(ofTwo, { f }).length === 0)).toEqual(['1', '5'])
    expect(checks.fieldWrites(writes, {})).toHaveLength(1)
  })

  it('conditional writes finds a fork, a refused write that was made, and a wrong order', () => {
    let nowMs = 0
    const write = (expected: string, value: string, outcome: Outcome = 'acknowledged'): ConditionalWrite => ({
      node: 'a',
      register: 'r',
      expected,
      value,
      calledMs: nowMs++,
      returnedMs: nowMs++,
      outcome,
      error: '',
    })
    const chain = [write('0', '1'), write('1', '2', 'unknown'), write('2', '3')]
    expect(checks.conditionalWrites(chain, '0', '3')).toEqual([])
    expect(checks.conditionalWrites([...chain, write('3', '4', 'unknown')], '0', '3')).toEqual([])
    expect(checks.conditionalWrites(chain, '0', '2')).toHaveLength(1)
    expect(checks.conditionalWrites([...chain, write('1', 'other')], '0', '3')).toHaveLength(1)
    expect(checks.conditionalWrites([...chain, write('3', '4', 'refused')], '0', '4')).toHaveLength(1)
    expect(checks.conditionalWrites(chain, '0', 'nobody')).toHaveLength(1)
    expect(checks.conditionalWrites([write('1', '2'), write('0', '1')], '0', '2')).toHaveLength(1)
    expect(checks.conditionalWrites([write('1', '2'), write('2', '1')], '0', '2')).toHaveLength(1)
  })

  it('the Lease finds two holders at once', () => {
    const held = { holder: 'a', fromMs: 0, untilMs: 10 }
    expect(checks.leaseHoldings([held, { holder: 'b', fromMs: 10, untilMs: 20 }])).toEqual([])
    expect(checks.leaseHoldings([held, { holder: 'b', fromMs: 9, untilMs: 20 }])).toHaveLength(1)
  })

  it('addresses and objects finds doubles and differences', () => {
    expect(
      checks.givenTwice('IP', [
        ['1', 'a'],
        ['1', 'a'],
        ['2', 'b'],
      ]),
    ).toEqual([])
    expect(
      checks.givenTwice('IP', [
        ['1', 'a'],
        ['1', 'b'],
      ]),
    ).toHaveLength(1)
    const object = (uid: string, resourceVersion: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'x', uid, resourceVersion },
    })
    expect(checks.differences([object('u', '1')], [object('u', '2')])).toEqual([])
    expect(checks.differences([object('u', '1')], [object('v', '1')])).toEqual([
      'ConfigMap /x.metadata.uid: "u" and "v"',
    ])
    expect(checks.differences([object('u', '1')], [])).toHaveLength(1)
  })
})
