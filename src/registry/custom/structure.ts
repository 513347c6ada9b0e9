import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { compilePattern } from '../../schema/pattern.ts'
import { validateJunctors } from './structure-junctors.ts'
import { isNode, type Node, nodesOf } from './structure-node.ts'
import { validateListType } from './structure-lists.ts'

/** Faults of one schema that are told. */
const maxFaults = 100
/** Deeper schemas are read as ones that accept anything. */
const maxDepth = 200
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const unsupported = ['$ref', 'additionalItems', 'definitions', 'dependencies', 'id', 'patternProperties']

/** Where a node stands: what it may leave out differs. */
type Level = 'root' | 'item' | 'field'

/**
 * Whether an `openAPIV3Schema` is structural, at all depths (KEP-20180415): each place has one type, said outside of
 * allOf, anyOf, oneOf and not, which only narrow it. Messages and paths as those of apiextensions' validation.
 */
export function validateStructure(schema: unknown, path: string): FieldError[] {
  const faults: FieldError[] = []
  if (isNode(schema)) walk(schema, path, 'root', 0, faults)
  return faults.slice(0, maxFaults)
}

function walk(node: Node, path: string, level: Level, depth: number, faults: FieldError[]): void {
  if (depth > maxDepth || faults.length >= maxFaults) return
  faults.push(
    ...validateType(node, path, level),
    ...validateKeywords(node, path),
    ...validateMetadata(node, path, level),
    ...validateListType(node, path),
    ...validateJunctors(node, path),
  )
  for (const [name, child] of nodesOf(node['properties']))
    walk(child, `${path}.properties[${name}]`, 'field', depth + 1, faults)
  if (isNode(node['items'])) walk(node['items'], `${path}.items`, 'item', depth + 1, faults)
  const more = node['additionalProperties']
  if (isNode(more)) walk(more, `${path}.additionalProperties`, 'field', depth + 1, faults)
}

function validateType(node: Node, path: string, level: Level): FieldError[] {
  const type = node['type']
  const isEither = node['x-kubernetes-int-or-string'] === true
  const isOpen = node['x-kubernetes-preserve-unknown-fields'] === true
  const at = `${path}.type`
  const faults: FieldError[] = []
  if (typeof type === 'string' && type !== '') {
    if (!types.includes(type)) faults.push(fieldErrors.notSupported(at, type, types))
    if (isEither) faults.push(fieldErrors.invalid(at, type, 'must be empty if x-kubernetes-int-or-string is true'))
    if (node['x-kubernetes-embedded-resource'] === true && type !== 'object')
      faults.push(fieldErrors.invalid(at, type, 'must be object if x-kubernetes-embedded-resource is true'))
  } else if (level === 'item' && !isEither && !isOpen) {
    faults.push(fieldErrors.required(at, 'must not be empty for specified array items'))
  } else if (level === 'field' && !isEither && !isOpen) {
    faults.push(fieldErrors.required(at, 'must not be empty for specified object fields'))
  }
  if (type === 'array' && !isNode(node['items']))
    faults.push(fieldErrors.required(`${path}.items`, 'must be specified'))
  return faults
}

function validateKeywords(node: Node, path: string): FieldError[] {
  const faults: FieldError[] = []
  for (const keyword of unsupported) {
    if (node[keyword] !== undefined)
      faults.push(fieldErrors.forbidden(`${path}.${keyword}`, `${keyword} is not supported`))
  }
  if (node['uniqueItems'] === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    faults.push(fieldErrors.forbidden(`${path}.uniqueItems`, why))
  }
  const more = node['additionalProperties']
  if (more === false)
    faults.push(fieldErrors.forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'))
  if (more !== undefined && nodesOf(node['properties']).length > 0) {
    const why = 'additionalProperties and properties are mutual exclusive'
    faults.push(fieldErrors.forbidden(`${path}.additionalProperties`, why))
  }
  const pattern = node['pattern']
  if (typeof pattern === 'string' && !compilePattern(pattern))
    faults.push(fieldErrors.invalid(`${path}.pattern`, pattern, "must be a valid regular expression, but isn't"))
  return faults
}

/** Objects have the metadata that all objects have: a schema may narrow its names, and nothing else. */
function validateMetadata(node: Node, path: string, level: Level): FieldError[] {
  const properties = nodesOf(node['properties'])
  if (node['x-kubernetes-embedded-resource'] === true) {
    if (node['x-kubernetes-preserve-unknown-fields'] === true || properties.length > 0) return []
    const why =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'
    return [fieldErrors.required(`${path}.properties`, why)]
  }
  const [, metadata] = properties.find(([name]) => name === 'metadata') ?? []
  if (!metadata || level !== 'root') return []
  const isPlain =
    Object.keys(metadata).every((key) => ['type', 'properties', 'description'].includes(key)) &&
    nodesOf(metadata['properties']).every(([name]) => name === 'name' || name === 'generateName')
  if (isPlain) return []
  const why = 'must not specify anything other than name and generateName, but metadata is implicitly specified'
  return [fieldErrors.forbidden(`${path}.properties[metadata]`, why)]
}
