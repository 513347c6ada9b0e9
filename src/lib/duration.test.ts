import fc from 'fast-check'
import { expect, test } from 'vitest'
import { age, formatDurationMs, humanDuration, parseDurationMs } from './duration.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

test.each([
  [-3 * second, '<invalid>'],
  [-1 * second, '0s'],
  [0, '0s'],
  [999, '0s'],
  [119 * second, '119s'],
  [2 * minute, '2m'],
  [2 * minute + 3 * second, '2m3s'],
  [10 * minute + 59 * second, '10m'],
  [179 * minute, '179m'],
  [3 * hour, '3h'],
  [7 * hour + 5 * minute, '7h5m'],
  [47 * hour, '47h'],
  [2 * day, '2d'],
  [2 * day + 3 * hour, '2d3h'],
  [8 * day + 3 * hour, '8d'],
  [729 * day, '729d'],
  [730 * day, '2y'],
  [731 * day, '2y1d'],
  [365 * 9 * day + 5 * day, '9y'],
])('%d ms is shown as %s', (spanMs, shown) => {
  expect(humanDuration(spanMs)).toBe(shown)
})

test('an age needs a timestamp', () => {
  expect(age(undefined, 0)).toBe('<unknown>')
  expect(age('1970-01-01T00:00:00Z', 5 * second)).toBe('5s')
})

test.each([
  ['0', 0],
  ['1h30m', 90 * minute],
  ['1.5s', 1500],
  ['-2m', -2 * minute],
  ['10', undefined],
  ['', undefined],
  ['1d', undefined],
])('%j is %s ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms)
})

test('what is formatted is read back', () => {
  expect(formatDurationMs(90 * minute)).toBe('1h30m0s')
  fc.assert(
    fc.property(fc.integer({ min: -1e9, max: 1e9 }), (ms) => {
      expect(parseDurationMs(formatDurationMs(ms))).toBeCloseTo(ms, 3)
    }),
  )
})
