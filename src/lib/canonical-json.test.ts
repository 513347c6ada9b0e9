import fc from 'fast-check'
import { expect, test } from 'vitest'
import { goJson, sortedKeys } from './canonical-json.ts'

test('keys are in order at every depth, and what is undefined is absent', () => {
  expect(JSON.stringify(sortedKeys({ b: [{ z: 1, a: undefined, $patch: 'replace' }], a: null }))).toBe(
    '{"a":null,"b":[{"$patch":"replace","z":1}]}',
  )
})

test('the text has the escapes of Go', () => {
  expect(goJson(['a && b < c > d', '\u2028'])).toBe(String.raw`["a \u0026\u0026 b \u003c c \u003e d","\u2028"]`)
})

test('neither changes the value', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const value: unknown = JSON.parse(text)
      expect(JSON.parse(goJson(sortedKeys(value)))).toEqual(value)
    }),
  )
})
