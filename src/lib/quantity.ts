/** How a quantity was written, which decides how it is written again. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

/**
 * A fixed-point number as k8s.io/apimachinery/pkg/api/resource has it: exact to 10⁻⁹, which is also the finest
 * unit that can be written (`1n`).
 */
export interface Quantity {
  readonly nano: bigint
  readonly format: QuantityFormat
}

/** What {@link parseQuantity} throws; the message is the one that users of Kubernetes know. */
export class QuantityError extends Error {
  override name = 'QuantityError'
}

const nanoPerUnit = 1_000_000_000n
/** Larger values are cut to this, as upstream does to stay inside an int64. */
const maxNano = (2n ** 63n - 1n) * nanoPerUnit

const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const

const shape = /^([+-]?)(\d+\.?\d*|\.\d+)([a-zA-Z]*)([+-]?\d*)$/

/**
 * Reads `100m`, `1.5Gi`, `1e3`, `12`. Parts finer than 10⁻⁹ are rounded away from zero.
 * Throws {@link QuantityError}.
 */
export function parseQuantity(text: string | number): Quantity {
  const written = String(text)
  if (written === '') throw new QuantityError('quantities must not be empty')
  // Longer texts are no numbers that anybody means, and their arithmetic would cost.
  const found = written.length > 128 ? null : shape.exec(written)
  if (!found) throw new QuantityError(`quantities must match the regular expression '${quantityRegExp}'`)
  const [, sign, digits = '', letters = '', exponentDigits = ''] = found
  const { format, scale } = scaleOf(letters, exponentDigits)
  const [whole = '', fraction = ''] = digits.split('.')
  const mantissa = BigInt(whole + fraction || '0')
  const numerator = mantissa * scale.numerator * nanoPerUnit
  const denominator = 10n ** BigInt(fraction.length) * scale.denominator
  const magnitude = min((numerator + denominator - 1n) / denominator, maxNano)
  return { nano: sign === '-' ? -magnitude : magnitude, format }
}

export const quantityRegExp = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'

interface Scale {
  numerator: bigint
  denominator: bigint
}

function scaleOf(letters: string, exponentDigits: string): { format: QuantityFormat; scale: Scale } {
  if (exponentDigits !== '') {
    const exponent = Number(exponentDigits)
    if ((letters !== 'e' && letters !== 'E') || Number.isNaN(exponent)) throw badSuffix()
    // Beyond these every value is zero or the maximum.
    return { format: 'DecimalExponent', scale: powerOfTen(Math.max(-200, Math.min(200, exponent))) }
  }
  const decimal = decimalSuffixes.indexOf(letters as (typeof decimalSuffixes)[number])
  if (decimal >= 0) return { format: 'DecimalSI', scale: powerOfTen((decimal - 3) * 3) }
  const binary = binarySuffixes.indexOf(letters as (typeof binarySuffixes)[number])
  if (binary > 0) return { format: 'BinarySI', scale: { numerator: 1024n ** BigInt(binary), denominator: 1n } }
  throw badSuffix()
}

const badSuffix = () => new QuantityError("unable to parse quantity's suffix")

const powerOfTen = (exponent: number): Scale =>
  exponent >= 0
    ? { numerator: 10n ** BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: 10n ** BigInt(-exponent) }

const min = (a: bigint, b: bigint) => (a < b ? a : b)

/** Why `text` is no quantity, or undefined when it is one. */
export function quantityError(text: string | number): string | undefined {
  try {
    parseQuantity(text)
    return undefined
  } catch (error) {
    if (error instanceof QuantityError) return error.message
    throw error
  }
}

/** The canonical text: no precision lost, no fraction, the largest suffix that allows both. */
export function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity
  if (nano === 0n) return '0'
  if (quantity.format === 'BinarySI' && nano % nanoPerUnit === 0n) {
    const units = nano / nanoPerUnit
    // Small counts of bytes read better as plain numbers; upstream draws the line at 1024.
    if (units <= -1024n || units >= 1024n) return formatBinary(units)
  }
  return formatDecimal(nano, quantity.format === 'DecimalExponent')
}

function formatBinary(units: bigint): string {
  let power = 0
  let rest = units
  while (power < binarySuffixes.length - 1 && rest % 1024n === 0n) {
    rest /= 1024n
    power++
  }
  return `${rest}${binarySuffixes[power]}`
}

function formatDecimal(nano: bigint, asExponent: boolean): string {
  let index = 0
  let rest = nano
  while (index < decimalSuffixes.length - 1 && rest % 1000n === 0n) {
    rest /= 1000n
    index++
  }
  if (!asExponent) return `${rest}${decimalSuffixes[index]}`
  const exponent = (index - 3) * 3
  return exponent === 0 ? `${rest}` : `${rest}e${exponent}`
}

/** The text as Kubernetes stores it: `0.5` becomes `500m`, `1024Mi` becomes `1Gi`. Throws {@link QuantityError}. */
export const canonicalQuantity = (text: string | number): string => formatQuantity(parseQuantity(text))

/** Sum; the format is that of `a` unless `a` is zero. */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format }
}

/** Difference; the format is that of `a` unless `a` is zero. */
export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format }
}

/** Negative, zero or positive as `a` is smaller than, equal to or larger than `b`. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0
}

export const zeroQuantity: Quantity = { nano: 0n, format: 'DecimalSI' }

/** A quantity of whole units. `value` must be a safe integer or a bigint. */
export const quantityOf = (value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity => ({
  nano: BigInt(value) * nanoPerUnit,
  format,
})

/** A quantity of thousandths (millicores). */
export const quantityOfMilli = (milli: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity => ({
  nano: BigInt(milli) * 1_000_000n,
  format,
})

/** Whole units, rounded up (away from zero) as upstream's Value(). Bytes, counts. */
export const quantityValue = (text: string | number): number => Number(roundUp(parseQuantity(text).nano, nanoPerUnit))

/** Thousandths, rounded up (away from zero) as upstream's MilliValue(). Millicores. */
export const quantityMilliValue = (text: string | number): number =>
  Number(roundUp(parseQuantity(text).nano, 1_000_000n))

/** Whether the quantity is a whole number of units. */
export const isWholeQuantity = (quantity: Quantity): boolean => quantity.nano % nanoPerUnit === 0n

function roundUp(nano: bigint, unit: bigint): bigint {
  const magnitude = nano < 0n ? -nano : nano
  const rounded = (magnitude + unit - 1n) / unit
  return nano < 0n ? -rounded : rounded
}
