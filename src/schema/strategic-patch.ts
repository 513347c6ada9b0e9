import { errors } from '../api/status-error.ts'
import { sameJson } from '../lib/same-json.ts'
import { isJsonObject, setMember } from './merge-patch.ts'
import type { Field, Schema } from './schema.ts'

type Json = Record<string, unknown>

const directive = '$patch'
const retainKeys = '$retainKeys'
const deletePrefix = '$deleteFromPrimitiveList/'
const orderPrefix = '$setElementOrder/'

/**
 * Applies a strategic merge patch: as a merge patch, but lists with the `merge` strategy merge by their key, and the
 * directives `$patch: replace|delete|merge`, `$retainKeys`, `$deleteFromPrimitiveList/…` and `$setElementOrder/…` are
 * obeyed. Inputs are unchanged. Fields that the schema does not know merge as in RFC 7386.
 * @throws StatusError BadRequest when a directive or an element is malformed
 */
export function applyStrategicPatch(document: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isJsonObject(patch)) throw errors.badRequest('error decoding patch: a strategic merge patch is an object')
  return mergeObject(isJsonObject(document) ? document : {}, patch, schema)
}

function mergeObject(original: Json, patch: Json, schema: Schema | undefined): Json {
  const how = patch[directive]
  if (how !== undefined) {
    if (how === 'replace') return withoutDirectives(patch) as Json
    if (how === 'delete') return {}
    if (how !== 'merge') throw malformed(`Unknown patch type found: ${String(how)}`)
  }
  const result: Json = { ...original }
  applyRetainKeys(result, patch)
  const handled = new Set<string>([directive, retainKeys])
  for (const key of Object.keys(patch)) {
    if (key.startsWith(deletePrefix)) handled.add(key)
    if (key.startsWith(orderPrefix)) handled.add(key)
  }
  const keys = new Set(Object.keys(patch).filter((key) => !handled.has(key)))
  // A directive may come without the list that it is about.
  for (const key of handled) {
    if (key.startsWith(deletePrefix)) keys.add(key.slice(deletePrefix.length))
    if (key.startsWith(orderPrefix)) keys.add(key.slice(orderPrefix.length))
  }
  for (const key of keys) mergeMember(result, key, patch, schema)
  return result
}

function mergeMember(result: Json, key: string, patch: Json, schema: Schema | undefined): void {
  const field = schema?.fields.get(key)
  const child = field?.schema ?? schema?.values
  const present = Object.hasOwn(patch, key)
  const value = present ? patch[key] : undefined
  const before = Object.hasOwn(result, key) ? result[key] : undefined
  if (present && value === null) {
    delete result[key]
    return
  }
  const replaces = field?.patchStrategy.includes('replace') ?? false
  if (isJsonObject(value)) {
    const merged = isJsonObject(before) && !replaces ? mergeObject(before, value, child) : asNew(value, child)
    setMember(result, key, merged)
    return
  }
  const list = { deletions: readList(patch, deletePrefix + key), order: readList(patch, orderPrefix + key) }
  if ((Array.isArray(value) || !present) && field && mergesAsList(field)) {
    if (!present && before === undefined) return
    const merged = mergeList(Array.isArray(before) ? before : [], (value as unknown[] | undefined) ?? [], field, list)
    setMember(result, key, merged)
    return
  }
  if (present) setMember(result, key, withoutDirectives(value))
}

function mergesAsList(field: Field): boolean {
  return field.schema.type === 'array' && field.patchStrategy.includes('merge')
}

/** A patch of something that does not exist yet: merging into nothing obeys its directives. */
function asNew(value: Json, schema: Schema | undefined): unknown {
  return value[directive] === 'delete' ? {} : mergeObject({}, value, schema)
}

function applyRetainKeys(result: Json, patch: Json): void {
  const keep = patch[retainKeys]
  if (keep === undefined) return
  if (!Array.isArray(keep)) throw malformed(`${retainKeys} must be a list`)
  const kept = new Set(keep)
  for (const key of Object.keys(patch)) {
    if (!key.startsWith('$') && patch[key] !== null && !kept.has(key))
      throw malformed(`The ${retainKeys} list doesn't contain all the keys of the patch: ${key} is missing`)
  }
  for (const key of Object.keys(result)) if (!kept.has(key)) delete result[key]
}

interface ListDirectives {
  deletions: unknown[] | undefined
  order: unknown[] | undefined
}

function readList(patch: Json, key: string): unknown[] | undefined {
  if (!Object.hasOwn(patch, key)) return undefined
  const list = patch[key]
  if (!Array.isArray(list)) throw malformed(`${key} must be a list`)
  return list
}

function mergeList(
  original: unknown[],
  patch: unknown[],
  field: Field,
  { deletions, order }: ListDirectives,
): unknown[] {
  const mergeKey = field.patchMergeKey
  if (mergeKey === undefined) {
    const removed = deletions ?? []
    const kept = original.filter((one) => !removed.some((gone) => sameJson(gone, one)))
    const added = patch.filter((one, index) => !kept.includes(one) && patch.indexOf(one) === index)
    return ordered([...kept, ...added], order, (one) => one)
  }
  const elements = patch.map((element) => keyed(element, mergeKey))
  if (elements.some((element) => element[directive] === 'replace')) {
    return elements.filter((element) => !(directive in element)).map((element) => asNew(element, field.schema.items))
  }
  let result: unknown[] = [...original]
  for (const element of elements) {
    const key = element[mergeKey]
    const matches = (one: unknown) => isJsonObject(one) && sameJson(one[mergeKey], key)
    if (element[directive] === 'delete') {
      result = result.filter((one) => !matches(one))
      continue
    }
    const index = result.findIndex(matches)
    if (index < 0) result.push(asNew(element, field.schema.items))
    else result[index] = mergeObject(result[index] as Json, element, field.schema.items)
  }
  return ordered(result, order, (one) => (isJsonObject(one) ? one[mergeKey] : undefined))
}

function keyed(element: unknown, mergeKey: string): Json {
  if (!isJsonObject(element)) throw malformed(`list element must be an object with key ${mergeKey}`)
  const replacesAll = element[directive] === 'replace' && Object.keys(element).length === 1
  if (!Object.hasOwn(element, mergeKey) && !replacesAll)
    throw malformed(`map: ${JSON.stringify(element)} does not contain declared merge key: ${mergeKey}`)
  return element
}

/**
 * Puts the elements that `order` names into that order; the others stay behind the element that they stood behind.
 */
function ordered(list: unknown[], order: unknown[] | undefined, keyOf: (one: unknown) => unknown): unknown[] {
  if (!order) return list
  const orderKeys = order.map((one) => JSON.stringify(keyOf(one) ?? null))
  const rank = new Map(orderKeys.map((key, index) => [key, index]))
  const rankOf = (one: unknown) => rank.get(JSON.stringify(keyOf(one) ?? null))
  const named = list.filter((one) => rankOf(one) !== undefined).toSorted((a, b) => rankOf(a)! - rankOf(b)!)
  const result: unknown[] = []
  let next = 0
  for (const one of list) result.push(rankOf(one) === undefined ? one : named[next++])
  return result
}

/** A value that replaces what was there keeps no directives. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((one) => !(isJsonObject(one) && directive in one)).map(withoutDirectives)
  }
  if (!isJsonObject(value)) return value
  const result: Json = {}
  for (const [key, member] of Object.entries(value)) {
    const isDirective =
      key === directive || key === retainKeys || key.startsWith(deletePrefix) || key.startsWith(orderPrefix)
    if (!isDirective && member !== null) setMember(result, key, withoutDirectives(member))
  }
  return result
}

function malformed(message: string): Error {
  return errors.badRequest(message)
}
