import { inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deflate, inflate } from './deflate.ts'

const limitBytes = 1 << 20
const sizes = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ minLength: 1_000, maxLength: 5_000 }))

test('what was deflated is read back, by zlib too', () => {
  fc.assert(
    fc.property(sizes, (bytes) => {
      const deflated = deflate(bytes)
      expect(Buffer.compare(inflate(deflated, limitBytes), bytes)).toBe(0)
      expect(Buffer.compare(inflateRawSync(deflated), bytes)).toBe(0)
    }),
  )
})

test('what was cut off or spoilt in its head is refused, or read as zlib reads it', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(7), (bytes, at, bit) => {
      const deflated = deflate(bytes)
      expect(() => inflate(deflated.subarray(0, at % deflated.length), limitBytes)).toThrow()
      const spoilt = deflated.slice()
      spoilt[at % 5] = (spoilt[at % 5] ?? 0) ^ (1 << bit)
      const read = (how: () => Uint8Array) => {
        try {
          return Buffer.from(how()).toString('hex')
        } catch {
          return 'refused'
        }
      }
      expect(read(() => inflate(spoilt, limitBytes))).toBe(read(() => inflateRawSync(spoilt)))
    }),
  )
})

test('a bomb is refused', () => {
  expect(() => inflate(deflate(new Uint8Array(limitBytes + 1)), limitBytes)).toThrow()
})
