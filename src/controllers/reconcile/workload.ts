import type { LabelSelector, ObjectReference, Pod } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap, matchesLabelSelector } from '../../lib/selector.ts'
import { type Action, type Creation, type Index, keyOf, referenceTo, type View, type Watch } from '../controller.ts'
import { claim, controllerOf, ownerKeys } from './ownership.ts'

/** Objects by the uid of their controller; those without one by `orphans/<namespace>`. */
export const byController: Index = {
  name: 'controller',
  valuesOf: (object) => [controllerOf(object)?.uid ?? `orphans/${object.metadata.namespace ?? ''}`],
}

/** Pods by their node. */
export const byNode: Index = {
  name: 'node',
  valuesOf: (object) => {
    const { nodeName } = (object as Pod).spec ?? {}
    return nodeName ? [nodeName] : []
  },
}

/** Objects by each of their labels. */
export const byLabel: Index = {
  name: 'label',
  valuesOf: ({ metadata: { namespace, labels } }) =>
    Object.entries(labels ?? {}).map((label) => labelValue(namespace, label)),
}

const labelValue = (namespace = '', [key, value]: [string, string]): string => `${namespace}/${key}=${value}`

/** Objects of a namespace that have all of these labels, of which there is one at least. Costs those with the rarest of them. */
export function labelled<T extends KubeObject>(
  view: View,
  ref: GroupResource,
  namespace: string | undefined,
  labels: Readonly<Record<string, string>>,
): T[] {
  const [rarest] = Object.entries(labels)
    .map((label) => labelValue(namespace, label))
    .map((value) => ({ value, count: view.countIndexed(ref, byLabel, value) }))
    .toSorted((a, b) => a.count - b.count)
  if (!rarest) return []
  return view.indexed<T>(ref, byLabel, rarest.value).filter(({ metadata }) => matchesLabelMap(labels, metadata.labels))
}

/** Objects of a namespace that the selector selects. Costs those with the rarest of the labels that it names. */
export function selectedBy<T extends KubeObject>(
  view: View,
  ref: GroupResource,
  namespace: string,
  selector: LabelSelector | undefined,
): T[] {
  const { matchLabels = {} } = selector ?? {}
  const candidates =
    Object.keys(matchLabels).length > 0 ? labelled<T>(view, ref, namespace, matchLabels) : view.list<T>(ref, namespace)
  return candidates.filter(({ metadata }) => matchesLabelSelector(selector, metadata.labels))
}

/** What `owner` controls, and what it would adopt: see {@link claim}. Costs the answer and the namespace's orphans. */
export function claimChildren<T extends KubeObject>(
  view: View,
  ref: GroupResource,
  owner: KubeObject,
  selector: LabelSelector | undefined,
  finalizer?: string,
): { claimed: T[]; actions: Action[] } {
  const candidates = [
    ...view.indexed<T>(ref, byController, owner.metadata.uid ?? ''),
    ...view.indexed<T>(ref, byController, `orphans/${owner.metadata.namespace ?? ''}`),
  ]
  return claim(owner, selector, ref, candidates, finalizer)
}

/** The controller's own kind. */
export const selfWatch = (ref: GroupResource): Watch => ({
  ref,
  keysOf: ({ namespace, name }) => [`${namespace}/${name}`],
})

/** Children of `parent`: their controller, or, of an orphan, everybody who would adopt it. */
export function childWatch<T extends KubeObject>(
  child: GroupResource,
  parent: { ref: GroupResource; kind: string; selectorOf(object: T): LabelSelector | undefined },
): Watch {
  return {
    ref: child,
    keysOf({ object, previous }, view) {
      const keys = ownerKeys(parent.kind, [object, previous])
      if (keys.length > 0 || !object || controllerOf(object)) return keys
      return view
        .list<T>(parent.ref, object.metadata.namespace)
        .filter((one) => matchesLabelSelector(parent.selectorOf(one), object.metadata.labels ?? {}))
        .map(keyOf)
    },
  }
}

export const eventAction = (
  about: ObjectReference,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): Action => ({ do: 'event', about, type, reason, message })

/** Creates a pod and says so on its owner, as upstream's pod control does. */
export function createPod(owner: KubeObject, pod: Pod, onFailure?: (message: string) => Action[]): Creation {
  const about = referenceTo(owner)
  return {
    do: 'create',
    ref: refs.pods,
    object: pod,
    created: (made) => eventAction(about, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`),
    failed: (message) => [
      eventAction(about, 'Warning', 'FailedCreate', `Error creating: ${message}`),
      ...(onFailure?.(message) ?? []),
    ],
  }
}

export function deleteAction(
  ref: GroupResource,
  object: KubeObject,
  options: Pick<Extract<Action, { do: 'delete' }>, 'gracePeriodSeconds' | 'isConditional' | 'propagationPolicy'> = {},
): Action {
  return {
    do: 'delete',
    ref,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name!,
    uid: object.metadata.uid!,
    ...options,
  }
}

/** Deletes a pod and says so on its owner. */
export const deletePod = (owner: KubeObject, pod: Pod): Action[] => [
  deleteAction(refs.pods, pod),
  eventAction(referenceTo(owner), 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`),
]

/** Read-modify-write of one object; `change` may alter its argument, and returns undefined to leave it. */
export function mutateAction<T extends KubeObject>(
  ref: GroupResource,
  object: T,
  change: (current: T) => T | undefined,
  subresource?: string,
): Extract<Action, { do: 'mutate' }> {
  return {
    do: 'mutate',
    ref,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name!,
    uid: object.metadata.uid!,
    ...(subresource ? { subresource } : {}),
    change: (current) => change(current as T),
  }
}

export const statusAction = <T extends KubeObject & { status?: unknown }>(
  ref: GroupResource,
  object: T,
  status: T['status'],
): Action => mutateAction(ref, object, (current) => ({ ...current, status }), 'status')

/** The sooner of two waits. */
export const sooner = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b)
