import type { KubeObject } from '../../api/object.ts'
import { deepFreeze } from '../../lib/deep-freeze.ts'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import { applySchemaDefaults, hasDefaults } from '../../schema/defaults.ts'
import type { Schema } from '../../schema/schema.ts'
import type { CustomDefinition } from './definitions.ts'

const schemaOf = (definition: ResourceDefinition): Schema | undefined =>
  (definition as Partial<CustomDefinition>).schema

/** Whether readers of the definition see defaults that may not have been there when the object was written. */
export const defaultsOnRead = (definition: ResourceDefinition): boolean => {
  const schema = schemaOf(definition)
  return schema !== undefined && hasDefaults(schema)
}

/** Stored objects are frozen and shared: each is defaulted once for a schema. */
const views = new WeakMap<KubeObject, { schema: Schema; view: KubeObject }>()

/**
 * A custom object as readers see it: what was written before its CRD had a default has it all the same
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting).
 */
export function withDefaults(object: KubeObject, definition: ResourceDefinition): KubeObject {
  const schema = schemaOf(definition)
  if (!schema || !hasDefaults(schema)) return object
  const known = views.get(object)
  if (known?.schema === schema) return known.view
  const view = structuredClone(object)
  applySchemaDefaults(view, schema)
  views.set(object, { schema, view: deepFreeze(view) })
  return view
}
