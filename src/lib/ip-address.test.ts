import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAddress, parseAddress, sameOffset, sameSubrange } from './ip-address.ts'

const [services4, services6] = ['10.96.0.0/16', 'fd00:10:96::/112']

test('what is formatted is read as the same', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (address) => {
      expect(parseAddress(formatAddress(address, 128), 128)).toBe(address)
      expect(parseAddress(formatAddress(address >> 96n, 32), 32)).toBe(address >> 96n)
    }),
  )
})

test('an address has one place in both ranges, and is found again by it', () => {
  expect(sameOffset('10.96.1.10', services4, services6)).toBe('fd00:10:96::10a')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff }), (offset) => {
      const ipv4 = `10.96.${offset >> 8}.${offset & 255}`
      expect(sameOffset(sameOffset(ipv4, services4, services6) ?? '', services6, services4)).toBe(ipv4)
    }),
  )
})

test('what is outside, or has no place, has none', () => {
  expect(sameOffset('10.97.0.1', services4, services6)).toBeUndefined()
  expect(sameOffset('fd00::1', services6, services4)).toBeUndefined()
  expect(sameOffset('10.96.1.1', services4, 'fd00::/120')).toBeUndefined()
  expect(sameOffset('None', services4, services6)).toBeUndefined()
})

test('parts of ranges go by their number', () => {
  expect(sameSubrange('10.244.3.0/24', '10.244.0.0/16', 'fd00:10:244::/56', 64)).toBe('fd00:10:244:3::/64')
  expect(sameSubrange('10.245.3.0/24', '10.244.0.0/16', 'fd00:10:244::/56', 64)).toBeUndefined()
})
