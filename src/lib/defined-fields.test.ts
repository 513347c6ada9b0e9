import fc from 'fast-check'
import { expect, test } from 'vitest'
import { definedFields } from './defined-fields.ts'

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(undefined, null, 1, 'text', true),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '$d'), tie('value'), { noNullPrototype: true }),
  ),
})).value

test('the value is what JSON makes of it', () => {
  fc.assert(
    fc.property(values, (value) => {
      fc.pre(value !== undefined)
      expect(definedFields(value)).toStrictEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('what has nothing undefined is the same object, also when it may not be changed', () => {
  const whole = Object.freeze({ a: Object.freeze([1, Object.freeze({ b: null })]) })
  expect(definedFields(whole)).toBe(whole)
  const partly = Object.freeze({ whole, gone: undefined })
  expect(definedFields(partly)).toStrictEqual({ whole })
  expect(definedFields(partly).whole).toBe(whole)
})
