import type { Environment } from '@marcbachmann/cel-js'
import {
  addQuantity,
  compareQuantity,
  isWholeQuantity,
  parseQuantity,
  quantityError,
  quantityOf,
  subtractQuantity,
  type Quantity,
} from '../../../lib/quantity.ts'

/** A resource.Quantity in expressions. */
class CelQuantity {
  readonly value: Quantity
  constructor(value: Quantity) {
    this.value = value
  }
}

const unit = 1_000_000_000n
const type = 'kubernetes.Quantity'
const of = (value: Quantity): CelQuantity => new CelQuantity(value)
const isInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value

/** `quantity("1.5Gi")` with comparison and sums, exact. */
export function registerQuantity(env: Environment): void {
  env
    .registerType(type, { ctor: CelQuantity, fields: {} })
    .registerFunction(`quantity(string): ${type}`, (text: string) => of(parseQuantity(text)))
    .registerFunction('isQuantity(string): bool', (text: string) => quantityError(text) === undefined)
    .registerFunction(
      `${type}.isInteger(): bool`,
      ({ value }: CelQuantity) => isWholeQuantity(value) && isInt64(value.nano / unit),
    )
    .registerFunction(`${type}.asInteger(): int`, ({ value }: CelQuantity) => {
      if (!isWholeQuantity(value)) throw new Error('cannot convert value to integer')
      return value.nano / unit
    })
    .registerFunction(`${type}.asApproximateFloat(): double`, ({ value }: CelQuantity) => Number(value.nano) / 1e9)
    .registerFunction(`${type}.sign(): int`, ({ value }: CelQuantity) => BigInt(compareQuantity(value, quantityOf(0))))
    .registerFunction(
      `${type}.isGreaterThan(${type}): bool`,
      (left: CelQuantity, right: CelQuantity) => compareQuantity(left.value, right.value) > 0,
    )
    .registerFunction(
      `${type}.isLessThan(${type}): bool`,
      (left: CelQuantity, right: CelQuantity) => compareQuantity(left.value, right.value) < 0,
    )
    .registerFunction(`${type}.compareTo(${type}): int`, (left: CelQuantity, right: CelQuantity) =>
      BigInt(compareQuantity(left.value, right.value)),
    )
    .registerOperator(
      `${type} == ${type}`,
      (left: CelQuantity, right: CelQuantity) => compareQuantity(left.value, right.value) === 0,
    )
    .registerFunction(`${type}.add(${type}): ${type}`, (left: CelQuantity, right: CelQuantity) =>
      of(addQuantity(left.value, right.value)),
    )
    .registerFunction(`${type}.add(int): ${type}`, (left: CelQuantity, right: bigint) =>
      of(addQuantity(left.value, quantityOf(right))),
    )
    .registerFunction(`${type}.sub(${type}): ${type}`, (left: CelQuantity, right: CelQuantity) =>
      of(subtractQuantity(left.value, right.value)),
    )
    .registerFunction(`${type}.sub(int): ${type}`, (left: CelQuantity, right: bigint) =>
      of(subtractQuantity(left.value, quantityOf(right))),
    )
}
