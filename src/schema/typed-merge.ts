import type { FieldSet } from './field-set.ts'
import { indexItems, isAtomic, itemElement, listKind } from './list-items.ts'
import { isJsonObject, setMember } from './merge-patch.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

/**
 * The live object with an applied configuration laid over it: maps and associative lists merge, everything else is the
 * configuration's. Inputs are unchanged; untouched subtrees are shared with `live`.
 */
export function mergeApplied(live: unknown, applied: unknown, schema: Schema | undefined, field?: Field): unknown {
  if (applied === undefined) return live
  if (isAtomic(schema, field?.mapType)) return applied
  if (isJsonObject(applied) && isJsonObject(live)) return mergeMembers(live, applied, schema)
  if (Array.isArray(applied) && Array.isArray(live) && schema?.items && listKind(schema) !== 'atomic') {
    return mergeItems(live, applied, schema)
  }
  return applied
}

function mergeMembers(live: Json, applied: Json, schema: Schema | undefined): Json {
  const result: Json = { ...live }
  for (const [key, value] of Object.entries(applied)) {
    const field = schema?.fields.get(key)
    const before = Object.hasOwn(live, key) ? live[key] : undefined
    setMember(result, key, mergeApplied(before, value, field?.schema ?? schema?.values, field))
  }
  return result
}

/** Items that both have follow the configuration's order; the live ones that it does not name keep their neighbours. */
function mergeItems(live: unknown[], applied: unknown[], schema: Schema): unknown[] {
  const liveItems = indexItems(live, schema)
  const appliedItems = indexItems(applied, schema)
  const pending = [...appliedItems.keys()]
  const result: unknown[] = []
  const emit = (element: string) => {
    const item = appliedItems.get(element)
    result.push(listKind(schema) === 'map' ? mergeApplied(liveItems.get(element), item, schema.items) : item)
  }
  const emitted = new Set<string>()
  let next = 0
  for (const [index, item] of live.entries()) {
    const named = itemElement(item, index, schema)
    const element = 'element' in named ? named.element : `i:${index}`
    if (!appliedItems.has(element)) {
      result.push(item)
      continue
    }
    while (!emitted.has(element) && next < pending.length) {
      const following = pending[next++]!
      emitted.add(following)
      emit(following)
      if (following === element) break
    }
  }
  while (next < pending.length) emit(pending[next++]!)
  return result
}

/**
 * Removes what `last` names and `owned` no longer does: the fields that a manager stopped applying and nobody else
 * holds. A field that contains something owned stays, for the sake of it.
 */
export function removeAbandoned(
  value: unknown,
  last: FieldSet,
  owned: FieldSet | undefined,
  schema: Schema | undefined,
  field?: Field,
): unknown {
  if (isAtomic(schema, field?.mapType)) return value
  if (isJsonObject(value)) return removeMembers(value, last, owned, schema)
  if (Array.isArray(value) && schema?.items && listKind(schema) !== 'atomic')
    return removeItems(value, last, owned, schema)
  return value
}

function removeMembers(value: Json, last: FieldSet, owned: FieldSet | undefined, schema: Schema | undefined): Json {
  const result: Json = { ...value }
  for (const [element, lastChild] of last.children) {
    const key = element.slice(2)
    if (!element.startsWith('f:') || !Object.hasOwn(value, key)) continue
    const ownedChild = owned?.children.get(element)
    const field = schema?.fields.get(key)
    // Structs in between are never members themselves; map entries and list items are, when they were applied.
    const wasApplied = lastChild.member || field !== undefined
    if (!ownedChild && wasApplied) delete result[key]
    else
      setMember(result, key, removeAbandoned(value[key], lastChild, ownedChild, field?.schema ?? schema?.values, field))
  }
  return result
}

function removeItems(value: unknown[], last: FieldSet, owned: FieldSet | undefined, schema: Schema): unknown[] {
  return value.flatMap((item, index) => {
    const named = itemElement(item, index, schema)
    const lastChild = 'element' in named ? last.children.get(named.element) : undefined
    if (!lastChild || !('element' in named)) return [item]
    const ownedChild = owned?.children.get(named.element)
    if (!ownedChild && lastChild.member) return []
    return [removeAbandoned(item, lastChild, ownedChild, schema.items)]
  })
}
