import type { OwnerReference } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { type Action, type Controller, nothing, type Plan, type View } from '../controller.ts'

/** A resource that owns or is owned: what garbage collection needs to know of the catalogue. */
export interface CollectedResource {
  ref: GroupResource
  kind: string
  namespaced: boolean
}

const foreground = 'foregroundDeletion'
const orphan = 'orphan'

/**
 * Deletes what only absent owners own, and carries out foreground and orphaning deletion (ownerReferences,
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/). One per resource: keys are `namespace/name`.
 */
export function garbageCollector(resource: CollectedResource, all: () => readonly CollectedResource[]): Controller {
  return {
    name: `garbage-collector/${resource.ref.resource}.${resource.ref.group}`,
    watches: all().map((watched) => ({
      ref: watched.ref,
      keysOf({ object, previous, namespace, name }, view) {
        const isOwn = watched.ref.group === resource.ref.group && watched.ref.resource === resource.ref.resource
        const changed = isOwn && object && needsLook(object) ? [`${namespace}/${name}`] : []
        // An owner that went, or began to go: its dependents of this resource; a dependent that went: its owners.
        const owner = object ?? previous
        const ends = !object || object.metadata.deletionTimestamp
        const dependents =
          ends && owner?.metadata.uid
            ? dependentsOf(owner, resource, view).map((one) => `${one.metadata.namespace ?? ''}/${one.metadata.name}`)
            : []
        const owners = !object && previous ? ownersOf(previous, resource) : []
        return [...changed, ...dependents, ...owners]
      },
    })),
    keys: (view) =>
      view
        .list<KubeObject>(resource.ref)
        .filter(needsLook)
        .map((object) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`),
    plan: (key, view) => planObject(resource, key, view, all()),
  }
}

const needsLook = (object: KubeObject): boolean =>
  (object.metadata.ownerReferences?.length ?? 0) > 0 ||
  (object.metadata.deletionTimestamp !== undefined &&
    (object.metadata.finalizers ?? []).some((one) => one === foreground || one === orphan))

const dependentsOf = (owner: KubeObject, resource: CollectedResource, view: View): KubeObject[] =>
  view
    .list<KubeObject>(resource.ref, resource.namespaced ? owner.metadata.namespace || undefined : undefined)
    .filter((one) => one.metadata.ownerReferences?.some((reference) => reference.uid === owner.metadata.uid))

function ownersOf(object: KubeObject, resource: CollectedResource): string[] {
  return (object.metadata.ownerReferences ?? [])
    .filter((reference) => reference.kind === resource.kind)
    .map((reference) => `${resource.namespaced ? (object.metadata.namespace ?? '') : ''}/${reference.name}`)
}

function planObject(resource: CollectedResource, key: string, view: View, all: readonly CollectedResource[]): Plan {
  const slash = key.indexOf('/')
  const namespace = key.slice(0, slash)
  const name = key.slice(slash + 1)
  const object = view.get<KubeObject>(resource.ref, namespace, name)
  if (!object) return nothing
  const finalizers = object.metadata.finalizers ?? []
  if (object.metadata.deletionTimestamp && finalizers.includes(orphan))
    return orphanDependents(resource, object, view, all)
  if (object.metadata.deletionTimestamp && finalizers.includes(foreground))
    return deleteDependents(resource, object, view, all)
  const references = object.metadata.ownerReferences ?? []
  if (references.length === 0 || object.metadata.deletionTimestamp) return nothing
  const states = references.map((reference) => ({ reference, state: ownerState(reference, object, view, all) }))
  if (states.some(({ state }) => state === 'present' || state === 'unknown')) {
    const gone = states
      .filter(({ state }) => state !== 'present' && state !== 'unknown')
      .map(({ reference }) => reference.uid)
    return gone.length > 0 ? { actions: [dropOwners(resource, object, gone)] } : nothing
  }
  const waits = states.some(({ state }) => state === 'foreground')
  const hasDependents = all.some((one) => dependentsOf(object, one, view).length > 0)
  return {
    actions: [
      {
        do: 'delete',
        ref: resource.ref,
        namespace,
        name,
        uid: object.metadata.uid!,
        propagationPolicy: waits && hasDependents ? 'Foreground' : 'Background',
      },
    ],
  }
}

type OwnerState = 'present' | 'absent' | 'foreground' | 'unknown'

/** What became of an owner. An owner of a kind that is not served here counts as present: nothing is deleted on a guess. */
function ownerState(
  reference: OwnerReference,
  dependent: KubeObject,
  view: View,
  all: readonly CollectedResource[],
): OwnerState {
  const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0]! : ''
  const resource = all.find((one) => one.kind === reference.kind && one.ref.group === group)
  if (!resource) return 'unknown'
  const owner = view.get<KubeObject>(
    resource.ref,
    resource.namespaced ? (dependent.metadata.namespace ?? '') : '',
    reference.name,
  )
  if (!owner || owner.metadata.uid !== reference.uid) return 'absent'
  return owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(foreground) ? 'foreground' : 'present'
}

function orphanDependents(
  resource: CollectedResource,
  owner: KubeObject,
  view: View,
  all: readonly CollectedResource[],
): Plan {
  const dependents = all.flatMap((one) =>
    dependentsOf(owner, one, view).map((dependent) => dropOwners(one, dependent, [owner.metadata.uid!])),
  )
  if (dependents.length > 0) return { actions: dependents, requeueAfterMs: 100 }
  return { actions: [dropFinalizer(resource, owner, orphan)] }
}

function deleteDependents(
  resource: CollectedResource,
  owner: KubeObject,
  view: View,
  all: readonly CollectedResource[],
): Plan {
  const dependents = all.flatMap((one) => dependentsOf(owner, one, view).map((dependent) => ({ one, dependent })))
  const blocking = dependents.filter(({ dependent }) =>
    dependent.metadata.ownerReferences?.some(
      (reference) => reference.uid === owner.metadata.uid && reference.blockOwnerDeletion,
    ),
  )
  if (blocking.length === 0) return { actions: [dropFinalizer(resource, owner, foreground)] }
  const actions = blocking
    .filter(({ dependent }) => !dependent.metadata.deletionTimestamp)
    .map(({ one, dependent }): Action => ({
      do: 'delete',
      ref: one.ref,
      namespace: dependent.metadata.namespace ?? '',
      name: dependent.metadata.name!,
      uid: dependent.metadata.uid!,
      propagationPolicy: 'Foreground',
    }))
  return { actions }
}

function dropOwners(resource: CollectedResource, object: KubeObject, uids: readonly string[]): Action {
  return change(resource, object, (metadata) => ({
    ...metadata,
    ownerReferences: metadata.ownerReferences?.filter((reference) => !uids.includes(reference.uid)),
  }))
}

function dropFinalizer(resource: CollectedResource, object: KubeObject, finalizer: string): Action {
  return change(resource, object, (metadata) => ({
    ...metadata,
    finalizers: metadata.finalizers?.filter((one) => one !== finalizer),
  }))
}

function change(
  resource: CollectedResource,
  object: KubeObject,
  edit: (metadata: KubeObject['metadata']) => KubeObject['metadata'],
): Action {
  return {
    do: 'mutate',
    ref: resource.ref,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name!,
    uid: object.metadata.uid!,
    change: (current) => ({ ...current, metadata: edit(current.metadata) }),
  }
}
