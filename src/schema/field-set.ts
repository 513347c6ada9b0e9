/**
 * A set of field paths as a tree. The root stands for the object itself and is never a member.
 * Keys are FieldsV1 path elements: `f:name`, `k:{"name":"web"}`, `v:"value"`, `i:0`.
 */
export interface FieldSet {
  readonly member: boolean
  readonly children: ReadonlyMap<string, FieldSet>
}

/** The set while it is being made. */
export interface MutableFieldSet {
  member: boolean
  children: Map<string, MutableFieldSet>
}

export const emptySet: FieldSet = { member: false, children: new Map() }

export function newSet(member = false): MutableFieldSet {
  return { member, children: new Map() }
}

/** The child under `element`, made when it is not there. */
export function childOf(set: MutableFieldSet, element: string): MutableFieldSet {
  let child = set.children.get(element)
  if (!child) {
    child = newSet()
    set.children.set(element, child)
  }
  return child
}

export function isEmptySet(set: FieldSet): boolean {
  return !set.member && set.children.size === 0
}

/** Paths in `a`, in `b`, or in both. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b
  if (isEmptySet(b) || a === b) return a
  const children = new Map(a.children)
  for (const [element, child] of b.children) {
    const own = children.get(element)
    children.set(element, own ? union(own, child) : child)
  }
  return { member: a.member || b.member, children }
}

/** Paths in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>()
  for (const [element, child] of a.children) {
    const other = b.children.get(element)
    const common = other && intersection(child, other)
    if (common && !isEmptySet(common)) children.set(element, common)
  }
  return { member: a.member && b.member, children }
}

/** Paths of `a` that are not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a
  const children = new Map<string, FieldSet>()
  for (const [element, child] of a.children) {
    const other = b.children.get(element)
    const rest = other ? difference(child, other) : child
    if (!isEmptySet(rest)) children.set(element, rest)
  }
  return { member: a.member && !b.member, children }
}

/** `a` without the given subtrees: the paths and everything below them. */
export function withoutSubtrees(set: FieldSet, paths: readonly (readonly string[])[]): FieldSet {
  let result = set
  for (const path of paths) result = withoutSubtree(result, path, 0)
  return result
}

function withoutSubtree(set: FieldSet, path: readonly string[], depth: number): FieldSet {
  const element = `f:${path[depth]}`
  const child = set.children.get(element)
  if (!child) return set
  const children = new Map(set.children)
  const rest = depth === path.length - 1 ? emptySet : withoutSubtree(child, path, depth + 1)
  if (isEmptySet(rest)) children.delete(element)
  else children.set(element, rest)
  return { member: set.member, children }
}

export function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true
  if (a.member !== b.member || a.children.size !== b.children.size) return false
  for (const [element, child] of a.children) {
    const other = b.children.get(element)
    if (!other || !sameSet(child, other)) return false
  }
  return true
}

/** The members' paths, in order: for conflict messages. */
export function memberPaths(set: FieldSet): string[][] {
  const paths: string[][] = []
  const visit = (node: FieldSet, path: string[]) => {
    if (node.member && path.length > 0) paths.push(path)
    for (const element of [...node.children.keys()].toSorted()) visit(node.children.get(element)!, [...path, element])
  }
  visit(set, [])
  return paths
}

/** `.spec.containers[name="web"].image`, as upstream prints a path. */
export function printPath(path: readonly string[]): string {
  return path.map(printElement).join('')
}

function printElement(element: string): string {
  const rest = element.slice(2)
  if (element.startsWith('f:')) return `.${rest}`
  if (element.startsWith('v:')) return `[=${rest}]`
  if (element.startsWith('i:')) return `[${rest}]`
  const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>)
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
}

/** Metadata that managedFields never track: the server's own, and what identifies the object. */
export const untrackedPaths: readonly (readonly string[])[] = [
  ['apiVersion'],
  ['kind'],
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((field) => ['metadata', field]),
]

/** The set without what managedFields never track, and without `metadata` as a member of its own. */
export function tracked(set: FieldSet): FieldSet {
  const rest = withoutSubtrees(set, untrackedPaths)
  const metadata = rest.children.get('f:metadata')
  if (!metadata?.member) return rest
  const children = new Map(rest.children)
  if (metadata.children.size === 0) children.delete('f:metadata')
  else children.set('f:metadata', { member: false, children: metadata.children })
  return { member: rest.member, children }
}
