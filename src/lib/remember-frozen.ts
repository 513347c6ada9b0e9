/**
 * Remembers what was made of frozen objects, by identity: `make` runs once for all who ask within a while. What others
 * may still change is made anew each time.
 *
 * Two generations bound it: when the younger one holds `maxSize` by `sizeOf`, the older one is dropped, so at most twice
 * that is kept, and never longer than the object itself.
 */
export function rememberFrozen<K extends object, V>(
  make: (object: K) => V,
  sizeOf: (value: V) => number,
  maxSize: number,
): (object: K) => V {
  let young = new WeakMap<K, { value: V }>()
  let old = young
  let size = 0
  return (object) => {
    if (!Object.isFrozen(object)) return make(object)
    const known = young.get(object)
    if (known) return known.value
    const entry = old.get(object) ?? { value: make(object) }
    young.set(object, entry)
    size += sizeOf(entry.value)
    if (size > maxSize) {
      old = young
      young = new WeakMap()
      size = 0
    }
    return entry.value
  }
}
