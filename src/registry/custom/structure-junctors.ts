import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { isNode, nodesOf, type Node } from './structure-node.ts'

/** What shapes a value: inside of allOf, anyOf, oneOf and not it would have to be guessed which of them holds. */
const shapes = ['type', 'title', 'description', 'default', 'example', 'externalDocs']
const extensions = [
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
  'x-kubernetes-preserve-unknown-fields',
]
const maxDepth = 50

/** The allOf, anyOf, oneOf and not of one node: they only narrow what the node has said. */
export function validateJunctors(node: Node, path: string): FieldError[] {
  const isEither = node['x-kubernetes-int-or-string'] === true
  return branchesOf(node, path).flatMap(({ branch, at, kind }) => {
    // The one way to say int-or-string that other tools understand, itself or in the first of allOf.
    if (isEither && kind === 'anyOf' && isIntOrString(node['anyOf'])) return []
    if (isEither && kind === 'allOf' && isIntOrString(branch['anyOf']))
      return narrowed({ ...branch, anyOf: undefined }, node, at, path, 0)
    return narrowed(branch, node, at, path, 0)
  })
}

interface Branch {
  branch: Node
  at: string
  kind: string
}

const branchesOf = (node: Node, path: string): Branch[] => [
  ...['allOf', 'anyOf', 'oneOf'].flatMap((kind) =>
    (Array.isArray(node[kind]) ? (node[kind] as unknown[]) : []).flatMap((branch, index) =>
      isNode(branch) ? [{ branch, at: `${path}.${kind}[${index}]`, kind }] : [],
    ),
  ),
  ...(isNode(node['not']) ? [{ branch: node['not'], at: `${path}.not`, kind: 'not' }] : []),
]

const isIntOrString = (anyOf: unknown): boolean =>
  Array.isArray(anyOf) && anyOf.map((one: unknown) => (isNode(one) ? one['type'] : '')).join(' ') === 'integer string'

/** `outer` and `outerPath`: the node that has to name each place that the branch speaks of. */
function narrowed(branch: Node, outer: Node | undefined, at: string, outerPath: string, depth: number): FieldError[] {
  if (depth > maxDepth) return []
  const faults: FieldError[] = []
  for (const key of [...shapes, ...extensions]) {
    if (branch[key] === undefined || branch[key] === '' || branch[key] === false) continue
    faults.push(fieldErrors.forbidden(`${at}.${key}`, 'must be empty to be structural'))
  }
  if (branch['nullable'] === true)
    faults.push(fieldErrors.forbidden(`${at}.nullable`, 'must be false to be structural'))
  if (branch['additionalProperties'] !== undefined)
    faults.push(fieldErrors.forbidden(`${at}.additionalProperties`, 'must be undefined to be structural'))
  const known = new Map(nodesOf(outer?.['properties']))
  const others = outer?.['additionalProperties']
  for (const [name, child] of nodesOf(branch['properties'])) {
    const place = known.get(name) ?? (isNode(others) ? others : undefined)
    const placePath = `${outerPath}.properties[${name}]`
    const childAt = `${at}.properties[${name}]`
    if (outer && !place && others !== true) {
      faults.push(fieldErrors.required(placePath, `because it is defined in ${childAt}`))
      continue
    }
    faults.push(...narrowed(child, place, childAt, placePath, depth + 1))
  }
  if (isNode(branch['items'])) {
    const place = isNode(outer?.['items']) ? outer['items'] : undefined
    if (outer && !place) faults.push(fieldErrors.required(`${outerPath}.items`, `because it is defined in ${at}.items`))
    else faults.push(...narrowed(branch['items'], place, `${at}.items`, `${outerPath}.items`, depth + 1))
  }
  for (const inner of branchesOf(branch, at))
    faults.push(...narrowed(inner.branch, outer, inner.at, outerPath, depth + 1))
  return faults
}
