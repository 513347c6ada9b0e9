import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sortedKeys } from './canonical-json.ts'
import { sameJson } from './same-json.ts'

const canonicalJson = (value: unknown): string => JSON.stringify(sortedKeys(value))

test('values are the same whose canonical JSON is', () => {
  const value = fc.jsonValue({ maxDepth: 3 }).filter((one) => !JSON.stringify(one).includes('-0'))
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(sameJson(a, structuredClone(a))).toBe(true)
      expect(sameJson(a, b)).toBe(canonicalJson(a) === canonicalJson(b))
      expect(sameJson([a, 1], [b, 1])).toBe(canonicalJson([a, 1]) === canonicalJson([b, 1]))
    }),
  )
})

test('a field that is undefined is the same as none, one that every object has by nature is not', () => {
  expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true)
  expect(sameJson({ a: 1 }, { a: 1, b: undefined })).toBe(true)
  expect(sameJson({ a: undefined }, { b: 1 })).toBe(false)
  expect(sameJson({ a: null }, {})).toBe(false)
  const own = JSON.parse('{"__proto__":{}}')
  expect([sameJson(own, {}), sameJson({}, own), sameJson(own, JSON.parse('{"__proto__":{}}'))]).toEqual([
    false,
    false,
    true,
  ])
})
