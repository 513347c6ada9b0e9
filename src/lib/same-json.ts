/**
 * Equality of JSON values: the order of fields does not count, and one that is undefined is the same as one that is absent.
 * Costs nothing for parts that are one and the same.
 */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let index = 0; index < a.length; index++) if (!sameJson(a[index], b[index])) return false
    return true
  }
  if (Array.isArray(b)) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  // An own field only: `__proto__` may be one, and is found on every object.
  for (const name of Object.keys(left))
    if (!sameJson(left[name], Object.hasOwn(right, name) ? right[name] : undefined)) return false
  for (const name of Object.keys(right)) if (right[name] !== undefined && !Object.hasOwn(left, name)) return false
  return true
}
