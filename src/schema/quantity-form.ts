/** resource.Quantity's own grammar, in the words of its error. */
export const quantityPattern = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}
const decimalSuffixes: readonly string[] = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const binarySuffixes: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

const grammar = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]?|[KMGTPE]i|[eE][+-]?\d{1,9})$/

/**
 * The form in which a quantity is written back (`1000m` → `1`, `0.5` → `500m`, `1024Mi` → `1Gi`), or undefined when the
 * text is no quantity. Values below a nano are rounded up to it and values beyond int64 keep upstream's cap, as
 * apimachinery's ParseQuantity does.
 */
export function canonicalQuantity(text: string): string | undefined {
  if (text.length > 64) return undefined
  const match = grammar.exec(text)
  if (!match) return undefined
  const [, sign, whole = '', fraction = '', suffix = ''] = match
  if (whole === '' && fraction === '') return undefined
  const binary = suffix.endsWith('i')
  const exponentForm = /^[eE][+-]?\d/.test(suffix)
  const exponent = binary ? 0 : exponentForm ? Number(suffix.slice(1)) : decimalExponents[suffix]!
  if (exponent > 40 || exponent < -40) return undefined
  const scale = binary ? 1024n ** BigInt(binarySuffixes.indexOf(suffix)) : 1n
  const nanos = toNanos(BigInt(whole + fraction || '0') * scale, exponent - fraction.length)
  const capped = nanos > maxNanos ? maxNanos : nanos
  const magnitude = binary ? binaryForm(capped) : exponentForm ? exponentOf(capped) : decimalForm(capped)
  return sign === '-' && capped !== 0n ? `-${magnitude}` : magnitude
}

const nano = 1_000_000_000n
const maxNanos = (2n ** 63n - 1n) * nano

function toNanos(digits: bigint, exponent: number): bigint {
  const shift = exponent + 9
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const divisor = 10n ** BigInt(-shift)
  return (digits + divisor - 1n) / divisor
}

function decimalForm(nanos: bigint): string {
  if (nanos === 0n) return '0'
  let value = nanos
  let step = 0
  while (value % 1000n === 0n && step < decimalSuffixes.length - 1) {
    value /= 1000n
    step++
  }
  return `${value}${decimalSuffixes[step]}`
}

function exponentOf(nanos: bigint): string {
  if (nanos === 0n) return '0'
  let value = nanos
  let exponent = -9
  while (value % 1000n === 0n) {
    value /= 1000n
    exponent += 3
  }
  return exponent === 0 ? `${value}` : `${value}e${exponent}`
}

/** A binary quantity that is no whole number, or is below 1024, is written in decimal form. */
function binaryForm(nanos: bigint): string {
  if (nanos % nano !== 0n || nanos / nano < 1024n) return decimalForm(nanos)
  let value = nanos / nano
  let step = 0
  while (value % 1024n === 0n && step < binarySuffixes.length - 1) {
    value /= 1024n
    step++
  }
  return `${value}${binarySuffixes[step]}`
}
