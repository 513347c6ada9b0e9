import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressesOf, inRange, ipv4, ipv6, rangesOf } from './family.ts'

test('addresses of the family, in their one form', () => {
  const texts = ['10.0.0.1', 'FD00:0:0:0::0001', '2001:db8::1:0:0:1', 'x', '', 'fe80::1%eth0', '10.0.0.256']
  expect(addressesOf(texts, ipv4)).toEqual(['10.0.0.1'])
  expect(addressesOf(texts, ipv6)).toEqual(['fd00::1', '2001:db8::1:0:0:1'])
})

test('ranges without what lies in others, host bits cleared', () => {
  expect(rangesOf(['10.1.2.3/16', '10.1.9.0/24', ' 192.0.2.1 ', 'fd00::/8', '10.0.0.0/33'], ipv4)).toEqual([
    '10.1.0.0/16',
    '192.0.2.1/32',
  ])
  expect(rangesOf(['fd00:1::5/64', 'fd00::/8', '10.0.0.0/8', '2001:db8::/129'], ipv6)).toEqual(['fd00::/8'])
  expect(rangesOf(['::/0', 'fd00::/8'], ipv6)).toEqual(['::/0'])
})

test('an address lies in the range that is made of it, and only of its own family', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), (address, length) => {
      fc.pre(addressesOf([address], ipv6).length === 1)
      const [range = ''] = rangesOf([`${address}/${length}`], ipv6)
      expect(inRange(address, range, ipv6)).toBe(true)
      expect(inRange('10.0.0.1', range, ipv4)).toBe(false)
      expect(addressesOf(addressesOf([address], ipv6), ipv6)).toEqual(addressesOf([address], ipv6))
    }),
  )
  expect(inRange('fd00:2::1', 'fd00:1::/32', ipv6)).toBe(false)
})
