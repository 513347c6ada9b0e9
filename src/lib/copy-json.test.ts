import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyJson } from './copy-json.ts'
import { deepFreeze } from './deep-freeze.ts'

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(undefined, null, 1, 'text', true),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '$d'), tie('value'), { noNullPrototype: true }),
  ),
})).value

test('a copy is what JSON makes of the value', () => {
  fc.assert(
    fc.property(values, (value) => {
      fc.pre(value !== undefined)
      expect(copyJson(value)).toStrictEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('a copy of what is frozen can be changed all the way down', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const value: unknown = deepFreeze(JSON.parse(text))
      const copy = copyJson(value)
      expect(JSON.stringify(copy)).toBe(JSON.stringify(value))
      const check = (one: unknown): void => {
        if (typeof one !== 'object' || one === null) return
        expect(Object.isFrozen(one) && Object.keys(one).length > 0).toBe(false)
        Object.values(one).forEach(check)
      }
      check(copy)
    }),
  )
})

test('integers beyond what a double holds stay what they are', () => {
  expect(copyJson({ count: 9007199254740993n })).toEqual({ count: 9007199254740993n })
})

test('a field that is called __proto__ stays a field', () => {
  const copy = copyJson(JSON.parse('{"__proto__": {"a": 1}}') as object)
  expect(JSON.stringify(copy)).toBe('{"__proto__":{"a":1}}')
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
})
