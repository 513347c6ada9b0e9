/**
 * The value as JSON would carry it: without fields that are undefined, and with null for undefined entries of an array.
 * What has none of them is returned as it is, so the usual case costs a walk and no copy.
 */
export function definedFields<T>(value: T): T {
  if (Array.isArray(value)) {
    const entries = value.map((one: unknown) => (one === undefined ? null : definedFields(one)))
    return (entries.every((one, index) => one === value[index]) ? value : entries) as T
  }
  if (typeof value !== 'object' || value === null) return value
  let changed: Record<string, unknown> | undefined
  for (const [key, one] of Object.entries(value)) {
    const defined = definedFields(one)
    if (defined === one && one !== undefined) continue
    changed ??= { ...value } as Record<string, unknown>
    if (one === undefined) delete changed[key]
    else changed[key] = defined
  }
  return (changed ?? value) as T
}
