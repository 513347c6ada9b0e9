import type { KubeObject } from '../api/object.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { sameJson } from '../lib/same-json.ts'

/**
 * Raises `metadata.generation` when the wanted state changed: anything but metadata, and status where that is a
 * subresource of its own.
 */
export function bumpGeneration(definition: ResourceDefinition, next: KubeObject, current: KubeObject): void {
  if (!definition.hasGeneration) return
  const hasStatus = !isCustom(definition) || definition.subresources.some(({ name }) => name === 'status')
  const generation = current.metadata.generation ?? 0
  next.metadata.generation = sameJson(wanted(next, hasStatus), wanted(current, hasStatus)) ? generation : generation + 1
  if (next.metadata.generation === 0) delete next.metadata.generation
}

/** The object without what says how it is. */
function wanted(object: KubeObject, withoutStatus: boolean): object {
  const { metadata: _metadata, status, ...rest } = object as KubeObject & { status?: unknown }
  return withoutStatus ? rest : { ...rest, status }
}

/** Only a CRD may have a status that is no subresource. */
export const isCustom = (definition: ResourceDefinition): boolean => 'schema' in definition

/** True when an update changes nothing but the times of managedFields: it is not written at all. */
export function isSame(next: KubeObject, current: KubeObject): boolean {
  return sameJson(withoutTimes(next), withoutTimes(current))
}

function withoutTimes(object: KubeObject): object {
  const { managedFields, resourceVersion: _version, ...metadata } = object.metadata
  return {
    ...object,
    metadata: { ...metadata, managedFields: managedFields?.map((entry) => ({ ...entry, time: undefined })) },
  }
}
