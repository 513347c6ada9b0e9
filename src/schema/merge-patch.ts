import { copyJson } from '../lib/copy-json.ts'
import { sameJson } from '../lib/same-json.ts'

type Json = Record<string, unknown>

/**
 * RFC 7386: null removes, objects merge, everything else replaces. Inputs are unchanged; unchanged subtrees are shared
 * with `document`.
 */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return copyJson(patch)
  const result: Json = isJsonObject(document) ? { ...document } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else setMember(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value))
  }
  return result
}

/** The merge patch that leads from `from` to `to`. Nulls inside `to` cannot be expressed (RFC 7386, section 1). */
export function createMergePatch(from: unknown, to: unknown): unknown {
  if (!isJsonObject(from) || !isJsonObject(to)) return to
  const patch: Json = {}
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) setMember(patch, key, null)
  for (const [key, value] of Object.entries(to)) {
    const before = Object.hasOwn(from, key) ? from[key] : undefined
    if (isJsonObject(before) && isJsonObject(value)) {
      const nested = createMergePatch(before, value) as Json
      if (Object.keys(nested).length > 0) setMember(patch, key, nested)
    } else if (!sameJson(before, value)) setMember(patch, key, value)
  }
  return patch
}

/** Sets an own member whatever its name: plain assignment to `__proto__` would change the prototype instead. */
export function setMember(object: Json, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  else object[key] = value
}

export function isJsonObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
