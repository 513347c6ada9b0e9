import { describe, expect, test } from 'vitest'
import { isLinearizable, type RegisterOperation } from './linearizability.ts'

const write = (value: string, calledMs: number, returnedMs: number): RegisterOperation => ({
  id: value,
  op: { type: 'write', value },
  calledMs,
  returnedMs,
})
const swap = (expected: string, value: string, calledMs: number, returnedMs: number): RegisterOperation => ({
  id: value,
  op: { type: 'compare-and-set', expected, value },
  calledMs,
  returnedMs,
})
const read = (value: string, calledMs: number, returnedMs = calledMs): RegisterOperation => ({
  id: `read ${value}`,
  op: { type: 'read', value },
  calledMs,
  returnedMs,
})

describe('linearizability of a register', () => {
  test.for<[string, RegisterOperation[], boolean]>([
    ['nothing happened', [read('0', 5)], true],
    ['a write is read', [write('a', 0, 1), read('a', 2)], true],
    ['a write is lost', [write('a', 0, 1), read('0', 2)], false],
    ['a read overlaps a write, and says either', [write('a', 0, 9), read('0', 2), read('a', 8)], true],
    ['a value comes and goes again', [write('a', 0, 9), read('a', 2), read('0', 8)], false],
    ['two swaps of one value both succeed', [swap('0', 'a', 0, 5), swap('0', 'b', 1, 6)], false],
    ['swaps follow one another', [swap('a', 'b', 0, 9), swap('0', 'a', 1, 8), read('b', 10)], true],
    ['a swap of unknown outcome never happened', [swap('0', 'a', 0, Infinity), read('0', 9)], true],
    ['a swap of unknown outcome happened late', [swap('0', 'a', 0, Infinity), read('0', 5), read('a', 9)], true],
    ['an acknowledged swap had no effect', [swap('0', 'a', 0, 1), swap('0', 'b', 2, 3)], false],
  ])('%s', ([, history, expected]) => {
    expect(isLinearizable(history, '0')).toBe(expected)
  })
})
