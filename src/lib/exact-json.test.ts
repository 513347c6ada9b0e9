import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseExact } from './exact-json.ts'

test('all of int64 survives, whatever surrounds it', () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.jsonValue(), (number, other) => {
      const text = `{"list":[${number}],"text":"${number}","other":${JSON.stringify(other)}}`
      expect(JSON.stringify(parseExact(text))).toBe(text)
    }),
  )
})

test('other numbers are what JSON.parse makes of them', () => {
  fc.assert(
    fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()), (number) => {
      const text = `[${JSON.stringify(number)},9223372036854775808,1e30,0.12345678901234567890]`
      expect(parseExact(text)).toEqual(JSON.parse(text))
    }),
  )
})

test('a member of any name is kept', () => {
  const text = '{"__proto__":{"a":9223372036854775807},"constructor":1}'
  expect(JSON.stringify(parseExact(text))).toBe(text)
})
