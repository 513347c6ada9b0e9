import { isJsonObject } from './merge-patch.ts'
import type { Schema } from './schema.ts'

/**
 * Tells what stood before at the place of a list's item (KEP-4008): known of lists of type map alone, whose items bear
 * keys. Made once a list, so that long lists cost no more than they are long. Pure.
 */
export function correlateItems(oldList: unknown, { listType, listMapKeys }: Schema): (item: unknown) => unknown {
  if (listType !== 'map' || !Array.isArray(oldList)) return () => undefined
  const keyOf = (item: unknown) =>
    isJsonObject(item) ? JSON.stringify(listMapKeys.map((key) => item[key] ?? null)) : undefined
  const byKey = new Map(oldList.map((item: unknown) => [keyOf(item), item]))
  byKey.delete(undefined)
  return (item) => byKey.get(keyOf(item))
}

/** What a member of an object or a map was before. Pure. */
export function correlatedMember(name: string, old: unknown): unknown {
  return isJsonObject(old) && Object.hasOwn(old, name) ? old[name] : undefined
}
