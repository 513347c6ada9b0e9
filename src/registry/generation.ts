import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/object.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'

/**
 * Raises `metadata.generation` when the wanted state changed: anything but metadata and status. A status subresource
 * never does.
 */
export function bumpGeneration(definition: ResourceDefinition, next: KubeObject, current: KubeObject): void {
  if (!definition.hasGeneration) return
  const generation = current.metadata.generation ?? 0
  next.metadata.generation = isDeepStrictEqual(wanted(next), wanted(current)) ? generation : generation + 1
  if (next.metadata.generation === 0) delete next.metadata.generation
}

/** The object without what says how it is. */
function wanted(object: KubeObject): object {
  const { metadata: _metadata, status: _status, ...rest } = object as KubeObject & { status?: unknown }
  return rest
}

/** True when an update changes nothing but the times of managedFields: it is not written at all. */
export function isSame(next: KubeObject, current: KubeObject): boolean {
  return isDeepStrictEqual(withoutTimes(next), withoutTimes(current))
}

function withoutTimes(object: KubeObject): object {
  const { managedFields, resourceVersion: _version, ...metadata } = object.metadata
  return {
    ...object,
    metadata: { ...metadata, managedFields: managedFields?.map((entry) => ({ ...entry, time: undefined })) },
  }
}
