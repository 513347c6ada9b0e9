/**
 * The value with the keys of all its objects in order, and without fields that are undefined: equal values have equal
 * text, and the text is the one that Go's encoding of a map has.
 */
export function sortedKeys<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sortedKeys) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sortedKeys(one)]),
  ) as T
}

const escaped = /[<>&\u2028\u2029]/g

/** JSON with the characters escaped that Go's encoding escapes (encoding/json, HTMLEscape). */
export const goJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(escaped, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
