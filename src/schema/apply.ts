import type { ManagedFieldsEntry, ObjectMeta } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors } from '../api/status-error.ts'
import { conflictError } from './apply-conflicts.ts'
import {
  difference,
  emptySet,
  type FieldSet,
  intersection,
  isEmptySet,
  tracked,
  union,
  withoutSubtrees,
} from './field-set.ts'
import {
  capManagers,
  decodeManagers,
  encodeManagers,
  managerId,
  type Managers,
  ownedByAny,
  stampChanged,
} from './managed-fields.ts'
import { sameJson } from '../lib/same-json.ts'
import type { Schema } from './schema.ts'
import { type Comparison, compareFields, fieldSetOf } from './typed-fields.ts'
import { mergeApplied, removeAbandoned } from './typed-merge.ts'

/** Who writes, and as what. */
export interface FieldManagerOptions {
  /** The `fieldManager` parameter; for updates, the default made of the User-Agent. */
  manager: string
  /** Of the request: `apps/v1`. */
  apiVersion: string
  /** RFC 3339 in whole seconds, UTC: the time of entries that change. */
  now: string
  /** '' or absent for the main resource. */
  subresource?: string
  /** Fields that this endpoint ignores and so nobody owns by it: [['status']] on a main resource that has /status. */
  resetFields?: readonly (readonly string[])[]
}

/** Owner of the fields of an object that nobody had applied before its first apply. */
const beforeFirstApply = 'before-first-apply'

/**
 * Server-side apply (KEP-555; structured-merge-diff): lays `patch` over `live`, removes fields that this manager applied
 * before and neither it nor anybody else holds now, and records ownership. `live` is undefined when the object is to be
 * created. Inputs are unchanged.
 * @returns the new object with its managedFields; equal to `live` when nothing changed
 * @throws StatusError Conflict when another manager owns a field that would change, unless `force`; BadRequest when the
 *   configuration does not fit the schema; Invalid without a manager
 */
export function applyPatch(
  schema: Schema,
  live: KubeObject | undefined,
  patch: KubeObject,
  options: FieldManagerOptions & { force?: boolean },
): KubeObject {
  checkPatch(patch, options)
  const problems: string[] = []
  const wholeSet = fieldSetOf(patch, schema, problems)
  if (problems.length > 0) throw untypedPatch(patch, options, problems[0]!)
  const base = live ?? emptyObject(patch)
  const before = decodeManagers(base.metadata.managedFields)
  const managers: Managers = new Map(before)
  if (live && managers.size === 0) adoptUnmanaged(managers, live, schema, options)

  const id = managerId({ ...options, operation: 'Apply', subresource: options.subresource ?? '' })
  const last = before.get(id)?.set ?? emptySet
  const appliedSet = withoutSubtrees(tracked(wholeSet), options.resetFields ?? [])
  const others = [...managers].filter(([other]) => other !== id).map(([, one]) => one)
  const owned = union(ownedByAny(others), wholeSet)
  const merged = mergeApplied(withoutManagedFields(base), withoutManagedFields(patch), schema)
  const result = (isEmptySet(last) ? merged : removeAbandoned(merged, last, owned, schema)) as KubeObject

  const changes = compareFields(withoutManagedFields(base), result, schema)
  if (live) takeFields(managers, id, changes, options)
  managers.set(id, {
    manager: options.manager,
    operation: 'Apply',
    apiVersion: options.apiVersion,
    subresource: options.subresource ?? '',
    time: options.now,
    set: appliedSet,
  })
  return withManagers(result, stampChanged(managers, before, options.now))
}

/**
 * Records an ordinary write (create, update, any patch but apply): `manager` owns what changed from `before` to `after`,
 * and everybody loses what was removed or overwritten. A write that changes nothing keeps all entries and times.
 * `before` is undefined on create. Inputs are unchanged.
 * @returns `after` with its managedFields
 */
export function updateManagedFields(
  schema: Schema,
  before: KubeObject | undefined,
  after: KubeObject,
  options: FieldManagerOptions,
): KubeObject {
  if (isReset(after.metadata.managedFields)) return withManagers(after, new Map())
  const stored = decodeManagers(before?.metadata.managedFields)
  // Most writers send back what they read, of which the stored one is decoded already.
  const sent = sameJson(after.metadata.managedFields, before?.metadata.managedFields)
    ? stored
    : decodeManagers(after.metadata.managedFields)
  // A client that leaves managedFields out does not mean to drop them; one that edits them does.
  const known = sent.size > 0 ? sent : stored
  if (before && stored.size === 0 && sent.size === 0) return withManagers(after, known)
  const old = withoutManagedFields(before ?? emptyObject(after))
  const fresh = withoutManagedFields(after)
  if (before && sameJson(withoutVersion(old), withoutVersion(fresh))) return withManagers(after, known)

  const changes = compareFields(old, fresh, schema)
  const managers: Managers = new Map(known)
  const subresource = options.subresource ?? ''
  const id = managerId({ ...options, operation: 'Update', subresource })
  const changed = union(changes.added, changes.modified)
  for (const [other, one] of managers) {
    if (other !== id) managers.set(other, { ...one, set: difference(difference(one.set, changed), changes.removed) })
  }
  const own = difference(managers.get(id)?.set ?? emptySet, changes.removed)
  const ownNow = withoutSubtrees(tracked(union(own, changed)), options.resetFields ?? [])
  managers.set(id, {
    manager: options.manager,
    operation: 'Update',
    apiVersion: options.apiVersion,
    subresource,
    time: options.now,
    set: ownNow,
  })
  return withManagers(after, capManagers(stampChanged(managers, known, options.now)))
}

/** Takes what changes from the other managers; without `force` only what nobody else holds may change. */
function takeFields(
  managers: Managers,
  id: string,
  changes: Comparison,
  options: FieldManagerOptions & { force?: boolean },
): void {
  const changed = union(changes.modified, changes.added)
  const conflicts = [...managers].flatMap(([other, manager]) => {
    const fields = other === id ? emptySet : intersection(manager.set, changed)
    return isEmptySet(fields) ? [] : [{ other, manager, fields }]
  })
  if (conflicts.length > 0 && !options.force) throw conflictError(conflicts)
  for (const [other, one] of managers) {
    if (other === id) continue
    managers.set(other, { ...one, set: difference(difference(one.set, changed), changes.removed) })
  }
}

/** An object that was never tracked: its present fields belong to one entry, so that taking them over is a conflict. */
function adoptUnmanaged(managers: Managers, live: KubeObject, schema: Schema, options: FieldManagerOptions): void {
  const set: FieldSet = withoutSubtrees(
    tracked(fieldSetOf(withoutManagedFields(live), schema)),
    options.resetFields ?? [],
  )
  const one = {
    manager: beforeFirstApply,
    operation: 'Update' as const,
    apiVersion: options.apiVersion,
    subresource: options.subresource ?? '',
  }
  managers.set(managerId(one), { ...one, time: options.now, set })
}

function checkPatch(patch: KubeObject, options: FieldManagerOptions): void {
  if (options.manager === '') {
    const missing = fieldErrors.required('fieldManager', 'is required for apply patch')
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [missing])
  }
  if ((patch.metadata?.managedFields?.length ?? 0) > 0) throw errors.badRequest('metadata.managedFields must be nil')
  if (patch.apiVersion !== options.apiVersion) {
    throw errors.badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${patch.apiVersion}, expected: ${options.apiVersion}`,
    )
  }
}

function untypedPatch(patch: KubeObject, options: FieldManagerOptions, problem: string): Error {
  const { namespace, name } = patch.metadata ?? {}
  const subject = `${namespace ? `${namespace}/` : ''}${name ?? ''}; ${options.apiVersion}, Kind=${patch.kind}`
  return errors.badRequest(`failed to create typed patch object (${subject}): ${problem}`)
}

function emptyObject({ apiVersion, kind }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: {} }
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = (object.metadata ?? {}) as ObjectMeta
  return { ...object, metadata }
}

/** The server's own counters do not make a write a change. */
function withoutVersion(object: KubeObject): KubeObject {
  const { resourceVersion: _, generation: __, ...metadata } = object.metadata
  return { ...object, metadata }
}

function withManagers(object: KubeObject, managers: Managers): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata ?? {}
  const managedFields = encodeManagers(managers)
  return { ...object, metadata: managedFields.length > 0 ? { ...metadata, managedFields } : metadata }
}

/** `managedFields: [{}]` is how a client asks for tracking to be cleared. */
function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  const [only] = entries ?? []
  return entries?.length === 1 && only !== undefined && Object.keys(only).length === 0
}
