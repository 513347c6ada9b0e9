import type { FieldPath } from './decided.ts'

/**
 * One step of a path. `field`: a key of an object or map. `element`: an element of an associative list, by its keys
 * (a key that the element lacks is null), or of a set, by its value. `order`: the order of such a list's elements.
 */
export type Segment =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'element'; readonly keys: ReadonlyArray<readonly [string, unknown]>; readonly text: string }
  | { readonly type: 'order' }

const plainName = /^[A-Za-z_][\w-]*$/

/** Field names are few; map keys are many, and looked at once. */
const plainNames = new Map<string, boolean>()

function isPlain(name: string): boolean {
  let plain = plainNames.get(name)
  if (plain === undefined) {
    plain = plainName.test(name)
    if (plainNames.size >= parsedLimit) plainNames.clear()
    plainNames.set(name, plain)
  }
  return plain
}

/** Appends an object's or a map's key: `spec.replicas`, `metadata.labels["app.kubernetes.io/name"]`. */
export function fieldPath(parent: FieldPath, name: string): FieldPath {
  if (!isPlain(name)) return `${parent}[${JSON.stringify(name)}]`
  return parent === '' ? name : `${parent}.${name}`
}

/** Selector of an element: `[name="web"]`, `[containerPort=80,protocol="TCP"]`; of a set's element: `[="x"]`. */
export function selectorOf(keys: ReadonlyArray<readonly [string, unknown]>): string {
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
}

/** The leaf that holds the order of an associative list's elements. */
export const orderPath = (list: FieldPath): FieldPath => `${list}[]`

/** True for a path that says nothing of its own: where elements stand. */
export const isOrderPath = (path: FieldPath): boolean => path.endsWith('[]')

export const isStatusPath = (path: FieldPath): boolean =>
  path.startsWith('status') && (path.length === 6 || path[6] === '.' || path[6] === '[')

export const isMetadataPath = (path: FieldPath): boolean =>
  path.startsWith('metadata') && (path.length === 8 || path[8] === '.' || path[8] === '[')

/**
 * The part of an object that a path belongs to: a top-level field (`spec`), or one of metadata (`metadata.labels`). Parts
 * do not depend on each other. Undefined for metadata as a whole, and for what is no path.
 */
export function sectionOf(path: FieldPath): string | undefined {
  const [first, second] = parsePath(path) ?? []
  if (first?.type !== 'field') return undefined
  if (first.name !== 'metadata') return first.name
  return second?.type === 'field' ? `metadata.${second.name}` : undefined
}

/** True when `path` lies strictly below `ancestor`. */
export const isBelow = (path: FieldPath, ancestor: FieldPath): boolean =>
  path.length > ancestor.length &&
  path.startsWith(ancestor) &&
  (path[ancestor.length] === '.' || path[ancestor.length] === '[')

/** Most paths are shared by all objects of a kind, so that parsing each once is nearly free. */
const parsed = new Map<FieldPath, readonly Segment[] | undefined>()
const parsedLimit = 20_000

/** The path's steps, or undefined for text that is no path. */
export function parsePath(path: FieldPath): readonly Segment[] | undefined {
  if (parsed.has(path)) return parsed.get(path)
  if (parsed.size >= parsedLimit) parsed.clear()
  const segments = parseSegments(path)
  parsed.set(path, segments)
  return segments
}

function parseSegments(path: FieldPath): Segment[] | undefined {
  const segments: Segment[] = []
  let at = 0
  while (at < path.length) {
    if (path[at] === '[') {
      const end = closingBracket(path, at)
      if (end < 0) return undefined
      const segment = bracketSegment(path.slice(at, end + 1))
      if (!segment) return undefined
      segments.push(segment)
      at = end + 1
    } else {
      if (at > 0 && path[at] !== '.') return undefined
      const start = at === 0 ? 0 : at + 1
      at = start
      while (at < path.length && path[at] !== '.' && path[at] !== '[') at += 1
      if (at === start) return undefined
      segments.push({ type: 'field', name: path.slice(start, at) })
    }
  }
  return segments.length === 0 ? undefined : segments
}

/** Index of the bracket that closes the one at `open`, brackets within JSON strings aside. */
function closingBracket(path: FieldPath, open: number): number {
  let inString = false
  for (let at = open + 1; at < path.length; at += 1) {
    const char = path[at]
    if (inString && char === '\\') at += 1
    else if (char === '"') inString = !inString
    else if (!inString && char === ']') return at
  }
  return -1
}

function bracketSegment(text: string): Segment | undefined {
  if (text === '[]') return { type: 'order' }
  try {
    if (text[1] === '"') return { type: 'field', name: JSON.parse(text.slice(1, -1)) as string }
    const keys = selectorKeys(text.slice(1, -1))
    return keys && { type: 'element', keys, text }
  } catch {
    return undefined
  }
}

/** `name="web",port=80` → [['name','web'],['port',80]]. Throws on values that are no JSON. */
function selectorKeys(text: string): [string, unknown][] | undefined {
  const keys: [string, unknown][] = []
  let at = 0
  while (at < text.length) {
    const equals = text.indexOf('=', at)
    if (equals < 0) return undefined
    let end = equals + 1
    let inString = false
    for (; end < text.length && (inString || text[end] !== ','); end += 1) {
      if (inString && text[end] === '\\') end += 1
      else if (text[end] === '"') inString = !inString
    }
    keys.push([text.slice(at, equals), JSON.parse(text.slice(equals + 1, end))])
    at = end + 1
  }
  return keys.length === 0 ? undefined : keys
}
