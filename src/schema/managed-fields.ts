import type { ManagedFieldsEntry } from '../api/kinds.ts'
import { emptySet, type FieldSet, isEmptySet, sameSet, union } from './field-set.ts'
import { decodeFieldsV1, encodeFieldsV1 } from './fields-v1.ts'

/** One manager's fields. Several entries of one manager differ in operation, version or subresource. */
export interface Manager {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  /** '' for the main resource. */
  subresource: string
  /** RFC 3339 in seconds; undefined when the entry has none. */
  time: string | undefined
  set: FieldSet
}

/** Managers by {@link managerId}. */
export type Managers = Map<string, Manager>

/** Update entries beyond this number are merged, oldest first. */
export const maxUpdateManagers = 10

const ancientManager = 'ancient-changes'

/** What makes two entries the same manager. An applier keeps its identity over versions. */
export function managerId(one: Pick<Manager, 'manager' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const version = one.operation === 'Apply' ? '' : one.apiVersion
  return JSON.stringify([one.operation, one.manager, version, one.subresource])
}

/** Reads metadata.managedFields; entries that no server writes are dropped. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers {
  const managers: Managers = new Map()
  for (const entry of entries ?? []) {
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') continue
    if (entry.fieldsType !== 'FieldsV1' || !entry.apiVersion) continue
    const one: Manager = {
      manager: entry.manager ?? '',
      operation: entry.operation,
      apiVersion: entry.apiVersion,
      subresource: entry.subresource ?? '',
      time: entry.time,
      set: decodeFieldsV1(entry.fieldsV1),
    }
    const id = managerId(one)
    const same = managers.get(id)
    managers.set(id, same ? { ...same, set: union(same.set, one.set) } : one)
  }
  return managers
}

/** Writes metadata.managedFields: appliers first, then by time, then by name. Managers that own nothing are left out. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  return [...managers.values()]
    .filter(({ set }) => !isEmptySet(set))
    .toSorted(byOperationAndTime)
    .map((one) => ({
      manager: one.manager,
      operation: one.operation,
      apiVersion: one.apiVersion,
      ...(one.time === undefined ? {} : { time: one.time }),
      fieldsType: 'FieldsV1',
      fieldsV1: encodeFieldsV1(one.set),
      ...(one.subresource === '' ? {} : { subresource: one.subresource }),
    }))
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function byOperationAndTime(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? '', b.time ?? '') ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  )
}

/**
 * Keeps managedFields bounded: the oldest Update entries beyond {@link maxUpdateManagers} become one entry a version,
 * `ancient-changes`. Appliers are never merged, because they would lose what they may remove.
 */
export function capManagers(managers: Managers): Managers {
  const updates = [...managers.entries()].filter(([, one]) => one.operation === 'Update')
  if (updates.length <= maxUpdateManagers) return managers
  const oldestFirst = updates.toSorted(([, a], [, b]) => byOperationAndTime(a, b))
  const capped: Managers = new Map(managers)
  let count = updates.length
  for (const [id, one] of oldestFirst) {
    if (count <= maxUpdateManagers) break
    const ancient: Manager = { ...one, manager: ancientManager, subresource: '' }
    const ancientId = managerId(ancient)
    if (id === ancientId) continue
    const same = capped.get(ancientId)
    capped.delete(id)
    if (same) count--
    capped.set(
      ancientId,
      same ? { ...ancient, time: later(same.time, one.time), set: union(same.set, one.set) } : ancient,
    )
  }
  return capped
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  return (a ?? '') > (b ?? '') ? a : b
}

/** Everything that any of the managers owns. */
export function ownedByAny(managers: Iterable<Manager>): FieldSet {
  let owned = emptySet
  for (const { set } of managers) owned = union(owned, set)
  return owned
}

/** Gives `now` to the managers whose fields changed, and keeps the time of the others. */
export function stampChanged(managers: Managers, before: Managers, now: string): Managers {
  return new Map(
    [...managers].map(([id, one]) => {
      const old = before.get(id)
      const unchanged = old && old.apiVersion === one.apiVersion && sameSet(old.set, one.set)
      return [id, unchanged ? { ...one, time: old.time } : { ...one, time: now }]
    }),
  )
}
