import type { Namespace, Pod } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import type { CollectedResource } from './garbage-collector.ts'

const finalizer = 'kubernetes'

/** Empties a namespace that is being deleted, then lets it go (core/v1 Namespace, spec.finalizers). */
export function namespaceController(all: () => readonly CollectedResource[]): Controller {
  return {
    name: 'namespace',
    watches: [
      { ref: refs.namespaces, keysOf: ({ name }) => [`/${name}`] },
      ...all()
        .filter((resource) => resource.namespaced)
        .map(({ ref }) => ({
          ref,
          keysOf({ object, namespace }: { object: KubeObject | undefined; namespace: string }, view: View) {
            return !object && view.get<Namespace>(refs.namespaces, '', namespace)?.metadata.deletionTimestamp
              ? [`/${namespace}`]
              : []
          },
        })),
    ],
    keys: (view) =>
      view
        .list<Namespace>(refs.namespaces)
        .filter((one) => one.metadata.deletionTimestamp)
        .map(keyOf),
    plan: (key, view) => planNamespace(splitKey(key).name, view, all()),
  }
}

function planNamespace(name: string, view: View, all: readonly CollectedResource[]): Plan {
  const namespace = view.get<Namespace>(refs.namespaces, '', name)
  if (!namespace?.metadata.deletionTimestamp) return nothing
  const contents = all
    .filter((resource) => resource.namespaced)
    .flatMap((resource) => view.list<KubeObject>(resource.ref, name).map((object) => ({ resource, object })))
  if (contents.length === 0) {
    if (!namespace.spec?.finalizers?.includes(finalizer)) return nothing
    return { actions: [dropFinalizer(namespace)] }
  }
  const actions = contents
    .filter(({ object }) => !object.metadata.deletionTimestamp)
    .map(({ resource, object }): Action => ({
      do: 'delete',
      ref: resource.ref,
      namespace: name,
      name: object.metadata.name!,
      uid: object.metadata.uid!,
      propagationPolicy: 'Background',
      ...gracePeriod(resource, object),
    }))
  return { actions, requeueAfterMs: 2000 }
}

/** Pods that no node runs any more have nobody to end them gracefully. */
function gracePeriod(resource: CollectedResource, object: KubeObject): { gracePeriodSeconds?: number } {
  return resource.ref.resource === 'pods' && !(object as Pod).spec?.nodeName ? { gracePeriodSeconds: 0 } : {}
}

function dropFinalizer(namespace: Namespace): Action {
  return {
    do: 'mutate',
    ref: refs.namespaces,
    namespace: '',
    name: namespace.metadata.name!,
    uid: namespace.metadata.uid!,
    subresource: 'finalize',
    change(current) {
      const { spec } = current as Namespace
      return {
        ...current,
        spec: { ...spec, finalizers: spec?.finalizers?.filter((one) => one !== finalizer) },
      } as typeof current
    },
  }
}
