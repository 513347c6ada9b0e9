import type { FieldPath, FieldValue, Stamp } from './decided.ts'
import { parsePath, type Segment } from './field-path.ts'

/** What counts at one path: the newest value, or null where the newest write removed it. */
export interface Leaf {
  readonly stamp: Stamp
  readonly value: FieldValue | null
}

interface Branch {
  leaf: Leaf | undefined
  /** By field name or selector. */
  children: Map<string, Branch> | undefined
  /** The step that leads here. */
  segment: Segment | undefined
  order: Leaf | undefined
  /** Newest live stamp here or below. */
  newest: Stamp
}

/**
 * Builds the object that a set of leaves stands for. Where two writers disagree about more than a value:
 * - an element of an associative list exists only while its marker is live, whatever was written inside it;
 * - a value and fields below the same path exclude each other: the newest decides. Empty objects and lists give way.
 * Paths that are unreadable are left out, as are those that are not wanted.
 */
export function unflatten(
  leaves: ReadonlyMap<FieldPath, Leaf>,
  isWanted: (path: FieldPath) => boolean = () => true,
): Record<string, unknown> {
  const root: Branch = branch(undefined)
  for (const [path, leaf] of leaves) {
    if (leaf.value === null || !isWanted(path)) continue
    const segments = parsePath(path)
    if (segments) insert(root, segments, leaf)
  }
  const value = valueOf(root)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

const branch = (segment: Segment | undefined): Branch => ({
  leaf: undefined,
  children: undefined,
  segment,
  order: undefined,
  newest: '',
})

function insert(root: Branch, segments: readonly Segment[], leaf: Leaf): void {
  let at = root
  for (const segment of segments) {
    if (segment.type === 'order') {
      at.order = leaf
      return
    }
    const id = segment.type === 'field' ? segment.name : segment.text
    // Field names and selectors share one map: a field whose name looks like a selector is told apart by a prefix.
    const childId = segment.type === 'field' && id.startsWith('[') ? `.${id}` : id
    at.children ??= new Map()
    let next = at.children.get(childId)
    if (!next) {
      next = branch(segment)
      at.children.set(childId, next)
    }
    at = next
  }
  at.leaf = leaf
}

/** The branch's value; undefined when nothing of it is live. */
function valueOf(at: Branch): unknown {
  if (at.segment?.type === 'element' && !at.leaf) return undefined
  at.newest = at.leaf?.stamp ?? ''
  if (!at.children) return elementOr(at, at.leaf?.value)

  const live: [Branch, unknown][] = []
  let newestBelow: Branch | undefined
  for (const child of at.children.values()) {
    const value = valueOf(child)
    if (value === undefined) continue
    live.push([child, value])
    if (!newestBelow || child.newest > newestBelow.newest) newestBelow = child
  }
  if (!newestBelow) return elementOr(at, at.leaf?.value)
  const isElement = at.segment?.type === 'element'
  if (at.leaf && !isElement && !isEmpty(at.leaf.value) && at.leaf.stamp >= newestBelow.newest) return at.leaf.value
  if (newestBelow.newest > at.newest) at.newest = newestBelow.newest

  const kind = isElement ? 'field' : newestBelow.segment?.type
  const agreeing = live.filter(([child]) => child.segment?.type === kind)
  if (kind === 'element') return listOf(agreeing, at.order)
  const object: Record<string, unknown> = {}
  for (const [child, value] of agreeing) {
    if (child.segment?.type === 'field') define(object, child.segment.name, value)
  }
  return elementOr(at, object)
}

/** An element is its keys, then what its marker and its leaves say; a set's element is its value. */
function elementOr(at: Branch, value: unknown): unknown {
  if (at.segment?.type !== 'element') return value
  const [first] = at.segment.keys
  if (first?.[0] === '') return first[1]
  const element: Record<string, unknown> = {}
  for (const [name, key] of at.segment.keys) if (key !== null) define(element, name, key)
  for (const part of [at.leaf?.value, value]) {
    if (typeof part !== 'object' || part === null) continue
    for (const [name, inner] of Object.entries(part)) define(element, name, inner)
  }
  return element
}

/** As assignment, but safe for a field that is called `__proto__`. */
function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  } else {
    object[name] = value
  }
}

/** In the written order; elements that it does not know (added meanwhile elsewhere) follow, oldest first. */
function listOf(elements: [Branch, unknown][], order: Leaf | undefined): unknown[] {
  if (elements.length === 1) return [elements[0]?.[1]]
  const positions = new Map<unknown, number>()
  if (Array.isArray(order?.value)) order.value.forEach((selector, index) => positions.set(selector, index))
  const rank = (at: Branch) => positions.get(selectorText(at)) ?? Infinity
  return elements
    .toSorted(([a], [b]) => {
      const [rankA, rankB] = [rank(a), rank(b)]
      if (rankA !== rankB) return rankA - rankB
      const [stampA, stampB] = [a.leaf?.stamp ?? '', b.leaf?.stamp ?? '']
      if (stampA !== stampB) return stampA < stampB ? -1 : 1
      return selectorText(a) < selectorText(b) ? -1 : 1
    })
    .map(([, value]) => value)
}

const selectorText = (at: Branch): string => (at.segment?.type === 'element' ? at.segment.text : '')

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (Array.isArray(value) ? value.length === 0 : isEmptyObject(value))

function isEmptyObject(value: object): boolean {
  for (const _ in value) return false
  return true
}
