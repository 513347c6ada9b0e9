import type { Namespace } from '../../api/kinds.ts'
import {
  ancestorsOf,
  descendantsOf,
  inheritedLabel,
  inheritedResources,
  isInherited,
  parentOf,
} from '../../api/namespace-tree.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, splitKey, type View, type Watch } from '../controller.ts'
import { sameJson } from '../../lib/same-json.ts'
import { deleteAction } from './workload.ts'

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * Gives every namespace what its ancestors have of Roles, RoleBindings, NetworkPolicies and LimitRanges, as copies
 * that are labelled with where they come from. Of several with one name the nearest counts, and a namespace's own
 * before all.
 */
export const namespaceHierarchyController: Controller = {
  name: 'namespace-hierarchy',
  watches: [
    {
      ref: refs.namespaces,
      keysOf({ object, previous, name }, view) {
        const hasMoved = parentOf(object as Namespace | undefined) !== parentOf(previous as Namespace | undefined)
        return hasMoved || !object || !previous ? subtree(name, view) : []
      },
    },
    ...inheritedResources.map((ref): Watch => ({ ref, keysOf: ({ namespace }, view) => subtree(namespace, view) })),
  ],
  keys: (view) => view.list<Namespace>(refs.namespaces).map(keyOf),
  plan(key, view) {
    const { name } = splitKey(key)
    const namespace = view.get<Namespace>(refs.namespaces, '', name)
    if (!namespace || namespace.metadata.deletionTimestamp) return nothing
    const ancestors = ancestorsOf(name, (one) => view.get<Namespace>(refs.namespaces, '', one))
    return { actions: inheritedResources.flatMap((ref) => planResource(ref, name, ancestors, view)) }
  },
}

/** The namespace and all below it; itself alone where there is no tree, which is cheap to find out. */
function subtree(name: string, view: View): string[] {
  const namespaces = view.list<Namespace>(refs.namespaces)
  return [name, ...descendantsOf(name, namespaces)].map((one) => `/${one}`)
}

function planResource(ref: GroupResource, namespace: string, ancestors: readonly string[], view: View): Action[] {
  const present = view.list<KubeObject>(ref, namespace)
  if (ancestors.length === 0 && !present.some(isInherited)) return []
  const wanted = new Map<string, KubeObject>()
  for (const ancestor of ancestors) {
    for (const source of view.list<KubeObject>(ref, ancestor)) {
      const name = source.metadata.name ?? ''
      if (isInherited(source) || source.metadata.deletionTimestamp || wanted.has(name)) continue
      wanted.set(name, copyOf(source, namespace))
    }
  }
  const actions: Action[] = []
  for (const stored of present) {
    const copy = wanted.get(stored.metadata.name ?? '')
    wanted.delete(stored.metadata.name ?? '')
    if (!isInherited(stored) || stored.metadata.deletionTimestamp) continue
    // What a binding refers to cannot be changed: the copy is made anew when this one is gone.
    if (!copy || !sameJson(roleRefOf(stored), roleRefOf(copy))) actions.push(deleteAction(ref, stored))
    else if (!sameJson(contentOf(stored), contentOf(copy))) actions.push(update(ref, stored, copy))
  }
  for (const copy of wanted.values()) actions.push({ do: 'create', ref, object: copy })
  return actions
}

function copyOf(source: KubeObject, namespace: string): KubeObject {
  const { name, labels, annotations, namespace: from = '' } = source.metadata
  const { [lastApplied]: _, ...others } = annotations ?? {}
  return {
    ...source,
    metadata: {
      name,
      namespace,
      labels: { ...labels, [inheritedLabel]: from },
      ...(Object.keys(others).length > 0 ? { annotations: others } : {}),
    },
  }
}

const roleRefOf = (object: KubeObject): unknown => (object as KubeObject & { roleRef?: unknown }).roleRef

/** What a copy has of its source: everything but what the server says of each object. */
function contentOf(object: KubeObject): object {
  const { labels, annotations } = object.metadata
  return { ...object, metadata: { labels, annotations: annotations ?? {} } }
}

function update(ref: GroupResource, stored: KubeObject, copy: KubeObject): Action {
  return {
    do: 'mutate',
    ref,
    namespace: stored.metadata.namespace ?? '',
    name: stored.metadata.name ?? '',
    uid: stored.metadata.uid ?? '',
    change: (current) => ({
      ...copy,
      metadata: {
        ...current.metadata,
        labels: copy.metadata.labels,
        ...(copy.metadata.annotations ? { annotations: copy.metadata.annotations } : { annotations: undefined }),
      },
    }),
  }
}
