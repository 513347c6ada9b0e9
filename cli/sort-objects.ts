import { compareQuantity, parseQuantity, quantityError } from '../src/lib/quantity.ts'
import { findValues, parsePath } from './jsonpath.ts'

/** `--sort-by`: by the value that a path finds in each object; those without one come first. */
export function sortObjects<T>(items: readonly T[], path: string, objectOf: (item: T) => unknown): T[] {
  const steps = parsePath(path.trim().replaceAll(/^\{|\}$/g, ''))
  return items
    .map((item) => ({ item, value: findValues(steps, objectOf(item))[0] }))
    .toSorted((a, b) => compareValues(a.value, b.value))
    .map(({ item }) => item)
}

function compareValues(a: unknown, b: unknown): number {
  if (a === undefined || a === null) return b === undefined || b === null ? 0 : -1
  if (b === undefined || b === null) return 1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [x, y] = [String(a), String(b)]
  // 500m is less than 1, and 9Mi less than 10Mi.
  if (quantityError(x) === undefined && quantityError(y) === undefined)
    return compareQuantity(parseQuantity(x), parseQuantity(y))
  return x < y ? -1 : x > y ? 1 : 0
}
