import type { OwnerReference } from '../../api/kinds.ts'
import { keyString, parseKey, type KubeObject } from '../../api/object.ts'
import type { Absence } from '../absence.ts'
import {
  type Action,
  type Controller,
  type Index,
  nothing,
  type Plan,
  referenceTo,
  type View,
  type Watch,
} from '../controller.ts'
import type { CollectedResource, Resources } from '../resources.ts'
import { deleteAction, eventAction, mutateAction, sooner } from './workload.ts'

const foreground = 'foregroundDeletion'
const orphan = 'orphan'

/** Objects by the uids of their owners. */
const byOwner: Index = {
  name: 'owner',
  valuesOf: (object) => (object.metadata.ownerReferences ?? []).map((reference) => reference.uid),
}

/**
 * Deletes what only absent owners own, and carries out foreground and orphaning deletion (ownerReferences,
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/). Keys are `group/resource/namespace/name`; the
 * cost of one is that of its owners and dependents.
 */
export function garbageCollector(resources: Resources, absence: Absence): Controller {
  const watchOf = (resource: CollectedResource): Watch => ({
    ref: resource.ref,
    keysOf({ object, previous }, view) {
      const all = resources.all()
      const subject = object ?? previous
      if (!subject) return []
      const { uid = '' } = subject.metadata
      if (object) absence.present(uid)
      else absence.went(uid)
      const keys = object && needsLook(object) ? [keyOf(resource, object)] : []
      if (!object || endsByCollector(object))
        for (const { resource: of, object: dependent } of dependentsOf(subject, view, all))
          keys.push(keyOf(of, dependent))
      return [...keys, ...waitingOwners(object, previous, view, all)]
    },
  })
  return {
    name: 'garbage-collector',
    watches: [],
    changingWatches: {
      current: () => resources.all().map(watchOf),
      onChange: (handler) => resources.onChange(handler),
    },
    keys: (view) =>
      resources.all().flatMap((resource) =>
        view
          .list<KubeObject>(resource.ref)
          .filter(needsLook)
          .map((object) => keyOf(resource, object)),
      ),
    plan: (key, view, nowMs) => planObject(key, view, nowMs, resources.all(), absence),
  }
}

const keyOf = ({ ref }: CollectedResource, { metadata }: KubeObject): string =>
  keyString({ ...ref, namespace: metadata.namespace ?? '', name: metadata.name ?? '' })

const needsLook = (object: KubeObject): boolean =>
  (object.metadata.ownerReferences?.length ?? 0) > 0 || endsByCollector(object)

/** It is on its way out, and we have the last word. */
const endsByCollector = (object: KubeObject): boolean =>
  object.metadata.deletionTimestamp !== undefined &&
  (object.metadata.finalizers ?? []).some((one) => one === foreground || one === orphan)

interface Located {
  resource: CollectedResource
  object: KubeObject
}

const dependentsOf = (owner: KubeObject, view: View, all: readonly CollectedResource[]): Located[] =>
  all.flatMap((resource) =>
    view
      .indexed<KubeObject>(resource.ref, byOwner, owner.metadata.uid ?? '')
      .map((object): Located => ({ resource, object })),
  )

/** Owners whose foreground or orphaning deletion waits for this dependent. */
function waitingOwners(
  object: KubeObject | undefined,
  previous: KubeObject | undefined,
  view: View,
  all: readonly CollectedResource[],
): string[] {
  const references = [...(object?.metadata.ownerReferences ?? []), ...(previous?.metadata.ownerReferences ?? [])]
  const keys = new Set<string>()
  for (const reference of references) {
    const found = ownerOf(reference, object ?? previous!, view, all)
    if (found?.owner && endsByCollector(found.owner)) keys.add(keyOf(found.resource, found.owner))
  }
  return [...keys]
}

/** The owner that is meant; undefined when its kind is not served, or no dependent of this scope can name it. */
function ownerOf(
  reference: OwnerReference,
  dependent: KubeObject,
  view: View,
  all: readonly CollectedResource[],
): { resource: CollectedResource; owner: KubeObject | undefined } | undefined {
  const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0]! : ''
  const resource = all.find((one) => one.kind === reference.kind && one.ref.group === group)
  const { namespace = '' } = dependent.metadata
  if (!resource || (resource.namespaced && namespace === '')) return undefined
  const owner = view.get<KubeObject>(resource.ref, resource.namespaced ? namespace : '', reference.name)
  return { resource, owner: owner?.metadata.uid === reference.uid ? owner : undefined }
}

function planObject(key: string, view: View, nowMs: number, all: readonly CollectedResource[], absence: Absence): Plan {
  const { group, resource: plural, namespace, name } = parseKey(key)
  const resource = all.find((one) => one.ref.group === group && one.ref.resource === plural)
  const object = resource && view.get<KubeObject>(resource.ref, namespace, name)
  if (!object) return nothing
  const located = { resource, object }
  if (endsByCollector(object))
    return object.metadata.finalizers?.includes(orphan)
      ? orphanDependents(located, view, all)
      : deleteDependents(located, view, all)
  if (object.metadata.deletionTimestamp) return nothing
  return collect(located, view, nowMs, all, absence)
}

/** Deletes the object when nobody owns it any more; drops owners that have gone when others stay. */
function collect(
  { resource, object }: Located,
  view: View,
  nowMs: number,
  all: readonly CollectedResource[],
  absence: Absence,
): Plan {
  const absent: string[] = []
  const waiting: string[] = []
  const actions: Action[] = []
  let staying = 0
  let nextMs: number | undefined
  for (const reference of object.metadata.ownerReferences ?? []) {
    const found = ownerOf(reference, object, view, all)
    if (!found) {
      // Nothing is deleted on a guess.
      staying++
      actions.push(...scopeWarning(reference, object, all))
    } else if (!found.owner) {
      const leftMs = absence.leftMs(reference.uid, nowMs)
      if (leftMs === 0) absent.push(reference.uid)
      else {
        staying++
        nextMs = sooner(nextMs, leftMs)
      }
    } else if (found.owner.metadata.deletionTimestamp && found.owner.metadata.finalizers?.includes(foreground))
      waiting.push(reference.uid)
    else staying++
  }
  const later = nextMs === undefined ? {} : { requeueAfterMs: nextMs }
  if (absent.length + waiting.length === 0) return { actions, ...later }
  if (staying > 0) {
    actions.push(dropOwners({ resource, object }, [...absent, ...waiting]))
    return { actions, ...later }
  }
  const hasDependents = waiting.length > 0 && dependentsOf(object, view, all).length > 0
  const policy = hasDependents ? ('Foreground' as const) : ownPolicy(object)
  return { actions: [...actions, deleteAction(resource.ref, object, { propagationPolicy: policy })] }
}

/** A finalizer that was put there beforehand keeps its meaning. */
function ownPolicy(object: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  const finalizers = object.metadata.finalizers ?? []
  return finalizers.includes(orphan) ? 'Orphan' : finalizers.includes(foreground) ? 'Foreground' : 'Background'
}

function scopeWarning(reference: OwnerReference, object: KubeObject, all: readonly CollectedResource[]): Action[] {
  if (object.metadata.namespace) return []
  if (!all.some((one) => one.kind === reference.kind && one.namespaced)) return []
  const { apiVersion, kind, name, uid } = reference
  return [
    eventAction(
      referenceTo(object),
      'Warning',
      'OwnerRefInvalidNamespace',
      `ownerRef [${apiVersion}/${kind}, namespace: , name: ${name}, uid: ${uid}] does not exist in namespace ""`,
    ),
  ]
}

function orphanDependents(owner: Located, view: View, all: readonly CollectedResource[]): Plan {
  const dependents = dependentsOf(owner.object, view, all)
  if (dependents.length === 0) return { actions: [dropFinalizer(owner, orphan)] }
  return { actions: dependents.map((one) => dropOwners(one, [owner.object.metadata.uid!])) }
}

function deleteDependents(owner: Located, view: View, all: readonly CollectedResource[]): Plan {
  const blocking = blockersOf(owner.object, view, all)
  // Those that do not block learn of it by their owner's change, and are collected on their own.
  if (blocking.length === 0) return { actions: [dropFinalizer(owner, foreground)] }
  return waitsForItself(owner.object, blocking, view, all) ? { actions: [unblockOwners(owner)] } : nothing
}

const blockersOf = (owner: KubeObject, view: View, all: readonly CollectedResource[]): Located[] =>
  dependentsOf(owner, view, all).filter(({ object }) =>
    object.metadata.ownerReferences?.some((one) => one.uid === owner.metadata.uid && one.blockOwnerDeletion),
  )

/** True in a circle of owners that all wait for each other. Walks only objects that are being deleted with dependents. */
function waitsForItself(
  owner: KubeObject,
  blocking: readonly Located[],
  view: View,
  all: readonly CollectedResource[],
): boolean {
  const seen = new Set<string>()
  const open = [...blocking]
  for (let next = open.pop(); next; next = open.pop()) {
    const { uid = '', finalizers } = next.object.metadata
    if (uid === owner.metadata.uid) return true
    if (seen.has(uid) || !next.object.metadata.deletionTimestamp || !finalizers?.includes(foreground)) continue
    seen.add(uid)
    open.push(...blockersOf(next.object, view, all))
  }
  return false
}

const unblockOwners = ({ resource, object }: Located): Action =>
  mutateAction(resource.ref, object, (current) => {
    for (const reference of current.metadata.ownerReferences ?? []) delete reference.blockOwnerDeletion
    return current
  })

const dropOwners = ({ resource, object }: Located, uids: readonly string[]): Action =>
  mutateAction(resource.ref, object, (current) => {
    current.metadata.ownerReferences = current.metadata.ownerReferences?.filter((one) => !uids.includes(one.uid))
    return current
  })

const dropFinalizer = ({ resource, object }: Located, finalizer: string): Action =>
  mutateAction(resource.ref, object, (current) => {
    current.metadata.finalizers = current.metadata.finalizers?.filter((one) => one !== finalizer)
    return current
  })
