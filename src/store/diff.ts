import type { GroupResource } from '../api/object.ts'
import type { FieldPath, FieldValue } from './decided.ts'
import { isBelow, isMetadataPath, isStatusPath } from './field-path.ts'
import type { Fields } from './flatten.ts'
import { sameJson } from '../lib/same-json.ts'
import type { Leaf } from './unflatten.ts'

/** What a write changes: path → new value, null to remove. */
export type FieldChanges = Map<FieldPath, FieldValue | null>

/** The fields in which `object` differs from what its writer had read. */
export function changesBetween(base: Fields, object: Fields): FieldChanges {
  const changes: FieldChanges = new Map()
  for (const [path, value] of object) {
    if (!base.has(path) || !sameJson(base.get(path), value)) changes.set(path, value)
  }
  for (const path of base.keys()) if (!object.has(path)) changes.set(path, null)
  return changes
}

/**
 * What of `changes` must be written over the present leaves: what says something new, and the removal of leaves that
 * stand hidden below an element that comes (back) to life, so that nothing of an earlier life shows up in it.
 */
export function effectiveChanges(changes: FieldChanges, leaves: ReadonlyMap<FieldPath, Leaf>): FieldChanges {
  const effective: FieldChanges = new Map()
  const revived: FieldPath[] = []
  for (const [path, value] of changes) {
    const present = leaves.get(path)?.value ?? null
    if (value === null ? present === null : present !== null && sameJson(present, value)) continue
    effective.set(path, value)
    if (value !== null && present === null && path.endsWith(']')) revived.push(path)
  }
  if (revived.length === 0) return effective
  for (const [path, leaf] of leaves) {
    if (leaf.value === null || changes.has(path)) continue
    if (revived.some((element) => isBelow(path, element))) effective.set(path, null)
  }
  return effective
}

/**
 * Whether a write raises metadata.generation: when the desired state changes, or deletion begins. Binding a pod does
 * not (upstream's BindingREST leaves the generation alone).
 */
export function raisesGeneration(ref: GroupResource, changes: FieldChanges): boolean {
  for (const path of changes.keys()) {
    if (path === 'metadata.deletionTimestamp') return true
    if (isStatusPath(path) || isMetadataPath(path) || path === 'apiVersion' || path === 'kind') continue
    if (path === 'spec.nodeName' && ref.group === '' && ref.resource === 'pods') continue
    return true
  }
  return false
}
