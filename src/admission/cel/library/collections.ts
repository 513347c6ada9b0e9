import type { Environment } from '@marcbachmann/cel-js'

type Ordered = bigint | number | string | boolean | Date

/** Stands behind `sets.` in expressions. */
class Sets {
  readonly name = 'sets'
}

/** Equality of CEL values: lists and maps by content, int and double by number. */
export function celEquals(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (isNumber(left) && isNumber(right)) return Number(left) === Number(right)
  if (left instanceof Date && right instanceof Date) return left.getTime() === right.getTime()
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => celEquals(item, right[index]))
  }
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => celEquals((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]))
  )
}

const isNumber = (value: unknown): value is bigint | number => typeof value === 'bigint' || typeof value === 'number'
const has = (list: readonly unknown[], item: unknown): boolean => list.some((one) => celEquals(one, item))
const covers = (list: readonly unknown[], part: readonly unknown[]): boolean => part.every((item) => has(list, item))

function extreme(list: readonly Ordered[], name: string, better: (left: Ordered, right: Ordered) => boolean): Ordered {
  if (list.length === 0) throw new Error(`${name} called on empty list`)
  return list.reduce((best, item) => (better(item, best) ? item : best))
}

function sum(list: readonly unknown[]): unknown {
  if (list.every((item) => typeof item === 'bigint')) return list.reduce((total: bigint, item) => total + item, 0n)
  if (list.every(isNumber)) return list.reduce((total: number, item) => total + Number(item), 0)
  throw new Error('sum called on a list that is not of numbers')
}

/** The list functions of Kubernetes' CEL, and the `sets` extension. */
export function registerCollections(env: Environment): void {
  env
    .registerType('kubernetes.Sets', { ctor: Sets, fields: {} })
    .registerConstant('sets', 'kubernetes.Sets', new Sets())
    .registerFunction('kubernetes.Sets.contains(list, list): bool', (_: Sets, list: unknown[], part: unknown[]) =>
      covers(list, part),
    )
    .registerFunction(
      'kubernetes.Sets.equivalent(list, list): bool',
      (_: Sets, left: unknown[], right: unknown[]) => covers(left, right) && covers(right, left),
    )
    .registerFunction('kubernetes.Sets.intersects(list, list): bool', (_: Sets, left: unknown[], right: unknown[]) =>
      left.some((item) => has(right, item)),
    )
    .registerFunction('list.isSorted(): bool', (list: Ordered[]) =>
      list.every((item, index) => index === 0 || list[index - 1]! <= item),
    )
    .registerFunction('list.sum(): dyn', sum)
    .registerFunction('list.min(): dyn', (list: Ordered[]) => extreme(list, 'min', (one, best) => one < best))
    .registerFunction('list.max(): dyn', (list: Ordered[]) => extreme(list, 'max', (one, best) => one > best))
    .registerFunction('list.indexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findIndex((one) => celEquals(one, item))),
    )
    .registerFunction('list.lastIndexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findLastIndex((one) => celEquals(one, item))),
    )
    .registerFunction('list.slice(int, int): dyn', (list: unknown[], from: bigint, to: bigint) => {
      if (from < 0n || to < from || to > BigInt(list.length)) throw new Error(`cannot slice(${from}, ${to})`)
      return list.slice(Number(from), Number(to))
    })
    .registerFunction('list.distinct(): dyn', (list: unknown[]) =>
      list.filter((item, index) => list.findIndex((one) => celEquals(one, item)) === index),
    )
    .registerFunction('list.reverse(): dyn', (list: unknown[]) => list.toReversed())
    .registerFunction('list.flatten(): dyn', (list: unknown[]) => list.flat())
}
