import { describe, expect, test } from 'vitest'
import type { Row } from '../../bench/bench.ts'
import { percentile } from '../../bench/support/statistics.ts'
import { meets, printRows, ratioOf } from '../../bench/support/table.ts'

const row: Row = { what: 'pod', value: 120, unit: 'ms', p99Ms: 900, against: { what: 'docker run', value: 240 } }

describe('what the benches print', () => {
  test('ours beside the other, the ratio, and whether the goal is met', () => {
    const text = printRows('pods', [{ ...row, goal: { of: 'ratio', atMost: 0.6 } }])
    expect(text.split('\n')[2]).toMatch(/^ {2}pod +120 ms +900 ms +docker run 240 ms +0\.50 +ratio ≤ 0\.6 ok$/)
  })

  test('a missed goal is said', () => {
    expect(printRows('pods', [{ ...row, goal: { of: 'p99Ms', atMost: 500 } }])).toContain('p99 ≤ 500 ms MISSED')
  })

  test.each([
    ['nothing to compare with', { ...row, against: undefined }, 'ratio', undefined],
    ['at the bound', row, 'ratio', true],
    ['above the bound', { ...row, value: 121 }, 'ratio', false],
  ] as const)('a goal: %s', (_, one, of, expected) => {
    expect(meets(one, { of, atMost: 0.5 })).toBe(expected)
  })

  test('nothing divided by nothing is no ratio', () => {
    expect(ratioOf({ ...row, against: { what: 'nothing', value: 0 } })).toBeUndefined()
  })

  test('percentiles are samples, by the nearest rank; of none there is none', () => {
    expect([0.5, 0.99, 1].map((rank) => percentile([5, 1, 3, 2, 4], rank))).toEqual([3, 5, 5])
    expect(() => percentile([], 0.5)).toThrow('nothing was measured')
  })
})
