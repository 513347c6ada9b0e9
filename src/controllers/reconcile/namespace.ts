import type { Namespace, NamespaceCondition, Pod } from '../../api/kinds.ts'
import { groupResourceName, type KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  splitKey,
  type View,
  type Watch,
} from '../controller.ts'
import type { CollectedResource, Resources } from '../resources.ts'
import { sameJson } from '../../lib/same-json.ts'
import { timestamp } from './timestamp.ts'
import { deleteAction, mutateAction } from './workload.ts'

const finalizer = 'kubernetes'
/** What ends slowly (pods with a grace) is looked at again this often. */
const pollMs = 2000
/** Objects deleted in one go. */
const burst = 1000

/** Empties a namespace that is being deleted, then lets it go (core/v1 Namespace, spec.finalizers). */
export function namespaceController(resources: Resources): Controller {
  const watchOf = ({ ref }: CollectedResource): Watch => ({
    ref,
    keysOf: ({ object, namespace }, view) =>
      !object && view.get<Namespace>(refs.namespaces, '', namespace)?.metadata.deletionTimestamp
        ? [`/${namespace}`]
        : [],
  })
  return {
    name: 'namespace',
    watches: [
      { ref: refs.namespaces, keysOf: ({ object, name }) => (object?.metadata.deletionTimestamp ? [`/${name}`] : []) },
    ],
    changingWatches: {
      current: () => namespaced(resources).map(watchOf),
      onChange: (handler) => resources.onChange(handler),
    },
    keys: (view) =>
      view
        .list<Namespace>(refs.namespaces)
        .filter((one) => one.metadata.deletionTimestamp)
        .map(keyOf),
    plan: (key, view, nowMs) => planNamespace(splitKey(key).name, view, nowMs, namespaced(resources)),
  }
}

const namespaced = (resources: Resources): CollectedResource[] => resources.all().filter((one) => one.namespaced)

function planNamespace(name: string, view: View, nowMs: number, all: readonly CollectedResource[]): Plan {
  const namespace = view.get<Namespace>(refs.namespaces, '', name)
  if (!namespace?.metadata.deletionTimestamp) return nothing
  const contents = all.flatMap((resource) =>
    view.list<KubeObject>(resource.ref, name).map((object) => ({ resource, object })),
  )
  if (contents.length === 0) {
    if (!namespace.spec?.finalizers?.includes(finalizer)) return nothing
    return { actions: [dropFinalizer(namespace)] }
  }
  const status = { phase: 'Terminating', conditions: conditionsOf(namespace, contents, nowMs) }
  const actions: Action[] = sameJson(status, namespace.status)
    ? []
    : [mutateAction(refs.namespaces, namespace, (current) => ({ ...current, status }), 'status')]
  // Pods go first, while the policies and accounts that bind them are still there (KEP-5080).
  const pods = contents.filter(({ resource }) => groupResourceName(resource.ref) === 'pods')
  const going = (pods.length > 0 ? pods : contents).filter(({ object }) => !object.metadata.deletionTimestamp)
  for (const { resource, object } of going.slice(0, burst))
    actions.push(
      deleteAction(resource.ref, object, { propagationPolicy: 'Background', ...gracePeriod(resource, object) }),
    )
  return { actions, requeueAfterMs: pollMs }
}

/** Pods that no node runs have nobody to end them gracefully. */
function gracePeriod({ ref }: CollectedResource, object: KubeObject): { gracePeriodSeconds?: number } {
  return groupResourceName(ref) === 'pods' && !(object as Pod).spec?.nodeName ? { gracePeriodSeconds: 0 } : {}
}

function conditionsOf(
  namespace: Namespace,
  contents: readonly { resource: CollectedResource; object: KubeObject }[],
  nowMs: number,
): NamespaceCondition[] {
  // Upstream's form: `pods. has 1 …` for the group without a name.
  const byResource = Map.groupBy(contents, ({ resource: { ref } }) => `${ref.resource}.${ref.group}`)
  const remaining = [...byResource].map(([name, all]) => `${name} has ${all.length} resource instances`)
  const finalizers = Map.groupBy(
    contents
      .filter(({ object }) => object.metadata.deletionTimestamp)
      .flatMap(({ object }) => object.metadata.finalizers ?? []),
    (one) => one,
  )
  const held = [...finalizers].map(([name, all]) => `${name} in ${all.length} resource instances`)
  const make = (
    type: string,
    isTrue: boolean,
    reason: [string, string],
    message: [string, string],
  ): NamespaceCondition => {
    const status = isTrue ? 'True' : 'False'
    const before = namespace.status?.conditions?.find((one) => one.type === type)
    const chosen = isTrue ? 0 : 1
    return {
      type,
      status,
      reason: reason[chosen],
      message: message[chosen],
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : timestamp(nowMs),
    }
  }
  const fine = (type: string, reason: string, message: string) => make(type, false, ['', reason], ['', message])
  return [
    // Every kind is known here without asking anybody, and deletions that fail are made again.
    fine('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    fine(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    fine(
      'NamespaceDeletionContentFailure',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    make(
      'NamespaceContentRemaining',
      remaining.length > 0,
      ['SomeResourcesRemain', 'ContentRemoved'],
      [`Some resources are remaining: ${remaining.toSorted().join(', ')}`, 'All content successfully removed'],
    ),
    make(
      'NamespaceFinalizersRemaining',
      held.length > 0,
      ['SomeFinalizersRemain', 'ContentHasNoFinalizers'],
      [
        `Some content in the namespace has finalizers remaining: ${held.toSorted().join(', ')}`,
        'All content-preserving finalizers finished',
      ],
    ),
  ]
}

const dropFinalizer = (namespace: Namespace) =>
  mutateAction(
    refs.namespaces,
    namespace,
    (current) => ({
      ...current,
      spec: { ...current.spec, finalizers: current.spec?.finalizers?.filter((one) => one !== finalizer) },
    }),
    'finalize',
  )
