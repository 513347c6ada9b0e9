import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCidr, type Ipv4Range } from '../ipv4.ts'
import { createAddressPool } from './address-pool.ts'

const range = (text: string) => parseCidr(text) as Ipv4Range

test('gives every address but network, gateway and broadcast, then says that none is left', () => {
  const pool = createAddressPool(range('10.244.3.0/29'))
  expect(pool.gateway).toBe('10.244.3.1')
  const all = Array.from({ length: 5 }, () => pool.take())
  expect(all).toEqual(['10.244.3.2', '10.244.3.3', '10.244.3.4', '10.244.3.5', '10.244.3.6'])
  expect(() => pool.take()).toThrow('no free pod address')
})

test('a released address rests until the others have had their turn', () => {
  const pool = createAddressPool(range('10.244.3.0/29'))
  const first = pool.take()
  pool.release(first)
  expect([pool.take(), pool.take(), pool.take(), pool.take(), pool.take()].at(-1)).toBe(first)
})

test('claims what exists after a restart, once, and nothing that is not its own', () => {
  const pool = createAddressPool(range('10.244.3.0/24'))
  expect(pool.claim('10.244.3.2')).toBe(true)
  expect(pool.claim('10.244.3.2')).toBe(false)
  for (const foreign of ['10.244.3.0', '10.244.3.1', '10.244.3.255', '10.244.4.2', 'x']) {
    expect(pool.claim(foreign)).toBe(false)
  }
  expect(pool.take()).toBe('10.244.3.3')
})

test('never gives one address to two holders', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 80 }), (steps) => {
      const pool = createAddressPool(range('10.0.0.0/28'))
      const held = new Set<string>()
      for (const step of steps) {
        const victim = [...held][step]
        if (victim !== undefined) {
          pool.release(victim)
          held.delete(victim)
        } else if (pool.free > 0) {
          const address = pool.take()
          expect(held.has(address)).toBe(false)
          held.add(address)
        }
        expect(pool.free).toBe(13 - held.size)
      }
    }),
  )
})
