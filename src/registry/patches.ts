import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { PatchType } from '../client/client.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { applyJsonPatch } from '../schema/json-patch.ts'
import { applyMergePatch } from '../schema/merge-patch.ts'
import type { TypeSystem } from './ports.ts'

/** A patch, parsed. `apply` is not one: it goes through the schema's own merge. */
export interface Patch {
  readonly type: Exclude<PatchType, 'apply'>
  readonly body: unknown
}

/** The patched object, not yet conformed. `current` is left alone. Throws BadRequest or Invalid. */
export function patchObject(
  types: TypeSystem,
  definition: ResourceDefinition,
  current: KubeObject,
  patch: Patch,
): unknown {
  switch (patch.type) {
    case 'json':
      return applyJsonPatch(current, patch.body)
    case 'merge':
      if (!isMap(patch.body)) throw errors.badRequest('a merge patch must be a JSON object')
      return applyMergePatch(current, patch.body)
    case 'strategic':
      if (!isMap(patch.body)) throw errors.badRequest('a strategic merge patch must be a JSON object')
      return types.strategicMerge(definition, current, patch.body)
  }
}

/**
 * The resourceVersion and uid that the patch itself names: preconditions that make it a decided write. What merely
 * stands in the patched copy is none.
 */
export function patchPreconditions(patch: Patch): { resourceVersion?: string; uid?: string } {
  const named: { resourceVersion?: string; uid?: string } = {}
  const note = (field: 'resourceVersion' | 'uid', value: unknown) => {
    if (typeof value === 'string' && value !== '') named[field] = value
  }
  if (patch.type === 'json') {
    for (const operation of Array.isArray(patch.body) ? patch.body.filter(isMap) : []) {
      if (operation.path === '/metadata/resourceVersion') note('resourceVersion', operation.value)
      if (operation.path === '/metadata/uid') note('uid', operation.value)
    }
    return named
  }
  const metadata = isMap(patch.body) && isMap(patch.body.metadata) ? patch.body.metadata : {}
  note('resourceVersion', metadata.resourceVersion)
  note('uid', metadata.uid)
  return named
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
