import type { GroupResource } from '../api/object.ts'
import type { Schema } from './schema.ts'

/** How the lists of a kind merge; fits the store's interface of the same name. */
export interface FieldLayout {
  /** Keys of an associative list at a path of field names; undefined for a list that is one value. */
  listKeys(ref: GroupResource, path: readonly string[]): readonly string[] | undefined
}

/** Paths remembered for each schema; the kinds' own are far fewer, an object with made-up maps has no bound. */
const maxRememberedPaths = 5_000

/** The layout of the kinds that `schemaOf` knows; resources without a schema have no associative lists. */
export function fieldLayout(schemaOf: (ref: GroupResource) => Schema | undefined): FieldLayout {
  const remembered = new WeakMap<Schema, Map<string, readonly string[] | undefined>>()
  return {
    listKeys(ref, path) {
      const schema = schemaOf(ref)
      if (!schema) return undefined
      let known = remembered.get(schema)
      if (!known) remembered.set(schema, (known = new Map()))
      const key = path.join('\0')
      if (known.has(key)) return known.get(key)
      const keys = keysAt(schema, path)
      if (known.size < maxRememberedPaths) known.set(key, keys)
      return keys
    },
  }
}

function keysAt(root: Schema, path: readonly string[]): readonly string[] | undefined {
  let node: Schema | undefined = root
  let mergeKey: string | undefined
  for (const part of path) {
    while (node?.type === 'array') node = node.items
    const field: ReturnType<Schema['fields']['get']> = node?.fields.get(part)
    mergeKey = field?.patchStrategy.includes('merge') ? field.patchMergeKey : undefined
    node = field?.schema ?? node?.values
  }
  if (node?.type !== 'array') return undefined
  if (node.listType === 'map') return node.listMapKeys
  return node.listType === undefined && mergeKey !== undefined ? [mergeKey] : undefined
}
