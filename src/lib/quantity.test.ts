import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  quantityError,
  quantityMilliValue,
  quantityOf,
  quantityValue,
  subtractQuantity,
  type Quantity,
} from './quantity.ts'

const anyQuantity: fc.Arbitrary<Quantity> = fc.record({
  nano: fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }),
  format: fc.constantFrom('DecimalSI', 'BinarySI', 'DecimalExponent'),
})

describe('the canonical form', () => {
  test.each([
    ['0', '0'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['1.', '1'],
    ['+1', '1'],
    ['-0.1', '-100m'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['1000m', '1'],
    ['1000', '1k'],
    ['1500', '1500'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['1500e-3', '1500e-3'],
    ['1E', '1E'],
    ['512', '512'],
    ['0.5Ki', '512'],
    ['1Ki', '1Ki'],
    ['0.1Ki', '102400m'],
    ['0.0000000001', '1n'],
    ['100Ei', '9223372036854775807'],
    ['12e200', '9223372036854775807e0'],
  ])('%s is %s', (written, canonical) => {
    expect(canonicalQuantity(written)).toBe(canonical.replace(/e0$/, ''))
  })

  test('is read back as the same number, and is its own canonical form', () => {
    fc.assert(
      fc.property(anyQuantity, (quantity) => {
        const text = formatQuantity(quantity)
        expect(parseQuantity(text).nano).toBe(quantity.nano)
        expect(canonicalQuantity(text)).toBe(text)
      }),
    )
  })
})

describe('arithmetic', () => {
  test('what is added can be taken away', () => {
    fc.assert(
      fc.property(anyQuantity, anyQuantity, (a, b) => {
        expect(subtractQuantity(addQuantity(a, b), b).nano).toBe(a.nano)
        expect(compareQuantity(addQuantity(a, b), addQuantity(b, a))).toBe(0)
      }),
    )
  })

  test('the order is that of the numbers', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        expect(Math.sign(compareQuantity(quantityOf(a), quantityOf(b)))).toBe(Math.sign(a - b))
      }),
    )
  })

  test('values are rounded up', () => {
    expect(quantityValue('1500m')).toBe(2)
    expect(quantityMilliValue('100u')).toBe(1)
    expect(quantityMilliValue('2')).toBe(2000)
    expect(quantityValue('1Gi')).toBe(2 ** 30)
    expect(quantityValue('-1500m')).toBe(-2)
  })
})

test.each(['', 'a', '1Kb', '1.2.3', '1 Gi', '1e', '0x10', 'Gi', '1Ki3', '--1', '9'.repeat(200)])(
  '%j is refused',
  (written) => {
    expect(quantityError(written)).toMatch(/quantit/)
  },
)
