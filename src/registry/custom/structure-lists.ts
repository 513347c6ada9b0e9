import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { isNode, nodesOf, textsOf, type Node } from './structure-node.ts'

const listTypes = ['atomic', 'map', 'set']
const mapTypes = ['atomic', 'granular']

/** x-kubernetes-list-type, -list-map-keys and -map-type of one node, by which objects are merged (KEP-555). */
export function validateListType(node: Node, path: string): FieldError[] {
  const type = node['x-kubernetes-list-type']
  const keys = textsOf(node['x-kubernetes-list-map-keys'])
  const keysAt = `${path}.x-kubernetes-list-map-keys`
  const faults = validateMapType(node, path)
  if (type === undefined) {
    if (keys.length > 0)
      faults.push(fieldErrors.forbidden(keysAt, 'must be empty if x-kubernetes-list-type is not map'))
    return faults
  }
  if (typeof type !== 'string' || !listTypes.includes(type))
    return [...faults, fieldErrors.notSupported(`${path}.x-kubernetes-list-type`, String(type), listTypes)]
  if (node['type'] !== 'array')
    faults.push(
      fieldErrors.invalid(`${path}.type`, node['type'] ?? '', 'must be array if x-kubernetes-list-type is specified'),
    )
  if (type !== 'map') {
    if (keys.length > 0)
      faults.push(fieldErrors.forbidden(keysAt, 'must be empty if x-kubernetes-list-type is not map'))
    return faults
  }
  if (keys.length === 0)
    return [...faults, fieldErrors.required(keysAt, 'must not be empty if x-kubernetes-list-type is map')]
  return [...faults, ...validateKeys(node['items'], keys, path)]
}

function validateKeys(items: unknown, keys: readonly string[], path: string): FieldError[] {
  if (!isNode(items)) return []
  const faults: FieldError[] = []
  if (items['type'] !== 'object') {
    const why = "must be object if parent array's x-kubernetes-list-type is map"
    return [fieldErrors.invalid(`${path}.items.type`, items['type'] ?? '', why)]
  }
  const properties = new Map(nodesOf(items['properties']))
  for (const [at, key] of keys.entries()) {
    const property = properties.get(key)
    const where = `${path}.x-kubernetes-list-map-keys[${at}]`
    if (!property) {
      faults.push(fieldErrors.invalid(where, key, 'entries must all be names of item properties'))
      continue
    }
    if (property['type'] === 'array' || property['type'] === 'object')
      faults.push(
        fieldErrors.invalid(
          `${path}.items.properties[${key}].type`,
          property['type'],
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
      )
    if (property['default'] === undefined && !textsOf(items['required']).includes(key)) {
      const why = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property'
      faults.push(fieldErrors.required(`${path}.items.properties[${key}].default`, why))
    }
    if (keys.indexOf(key) < at) faults.push(fieldErrors.duplicate(where, key))
  }
  return faults
}

function validateMapType(node: Node, path: string): FieldError[] {
  const type = node['x-kubernetes-map-type']
  if (type === undefined) return []
  if (typeof type !== 'string' || !mapTypes.includes(type))
    return [fieldErrors.notSupported(`${path}.x-kubernetes-map-type`, String(type), mapTypes)]
  if (node['type'] === 'object') return []
  return [
    fieldErrors.invalid(`${path}.type`, node['type'] ?? '', 'must be object if x-kubernetes-map-type is specified'),
  ]
}
