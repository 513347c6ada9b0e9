import type { ControllerRevision, Node, Pod, PodTemplateSpec, StatefulSet } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../../controller.ts'
import { type History, historyOf, templateOf, truncateHistory } from '../controller-history.ts'
import { ownerKeys } from '../ownership.ts'
import { availableInMs, isReady } from '../pod-state.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { byNode, childWatch, claimChildren, selfWatch, sooner, statusAction } from '../workload.ts'
import { ordinalOf } from './identity.ts'
import { nextActions } from './next-step.ts'
import { revisionOfPod, statefulSetStatus } from './status.ts'

/**
 * True when the node has certainly stopped its unique pods: it fences itself when it hears no leader for its lease, and
 * this side has waited that long and the drift of clocks besides (architecture §5).
 */
export type IsFenced = (nodeName: string, view: View, nowMs: number) => boolean

/** How often a pod on a node that may be lost is looked at again. */
const fencePollMs = 1000

/** Pods with names, in order, with claims of their own (apps/v1 StatefulSet). */
export function statefulSetController(isFenced: IsFenced): Controller {
  return {
    name: 'statefulset',
    watches: [
      selfWatch(refs.statefulSets),
      childWatch<StatefulSet>(refs.pods, {
        ref: refs.statefulSets,
        kind: 'StatefulSet',
        selectorOf: (set) => set.spec?.selector,
      }),
      {
        // Lost or back: the pods of its sets may fail over, or stay.
        ref: refs.nodes,
        keysOf: ({ name }, view) =>
          view.indexed<Pod>(refs.pods, byNode, name).flatMap((pod) => ownerKeys('StatefulSet', [pod])),
      },
      {
        // A claim that has gone frees its ordinal.
        ref: refs.persistentVolumeClaims,
        keysOf: ({ object, namespace, name }, view) =>
          object
            ? []
            : view
                .list<StatefulSet>(refs.statefulSets, namespace)
                .filter((set) => name.includes(`-${set.metadata.name}-`))
                .map(keyOf),
      },
    ],
    keys: (view) => view.list<StatefulSet>(refs.statefulSets).map(keyOf),
    plan: (key, view, nowMs) => planStatefulSet(key, view, nowMs, isFenced),
  }
}

function planStatefulSet(key: string, view: View, nowMs: number, isFenced: IsFenced): Plan {
  const { namespace, name } = splitKey(key)
  const set = view.get<StatefulSet>(refs.statefulSets, namespace, name)
  if (!set?.spec) return nothing
  const { claimed, actions } = claimPods(set, view)
  const history = historyOf(view, set, set.spec.template, {
    selector: set.spec.selector,
    labels: set.spec.selector.matchLabels,
    collisionCount: set.status?.collisionCount,
    hashLabel: 'controller.kubernetes.io/hash',
  })
  actions.push(...history.actions)
  const current = currentRevision(set, history)
  const updateName = history.update.metadata.name!
  if (!set.metadata.deletionTimestamp)
    actions.push(
      ...nextActions({
        set,
        pods: claimed,
        view,
        nowMs,
        isFenced: (node) => isFenced(node, view, nowMs),
        current: revised(current, set.spec.template),
        update: { name: updateName, template: set.spec.template },
      }),
    )
  const status = statefulSetStatus(set, claimed, current.metadata.name!, history, nowMs)
  if (!sameJson(status, set.status)) actions.push(statusAction(refs.statefulSets, set, status))
  const live = new Set([current.metadata.name!, updateName, ...claimed.map(revisionOfPod)])
  actions.push(
    ...truncateHistory(refs.controllerRevisions, history.revisions, live, set.spec.revisionHistoryLimit ?? 10),
  )
  const requeueAfterMs = nextLookMs(set, claimed, view, nowMs)
  return { actions, ...(requeueAfterMs !== undefined ? { requeueAfterMs } : {}) }
}

/** Only pods whose names are the set's own are its members, whatever their labels say. */
function claimPods(set: StatefulSet, view: View): { claimed: Pod[]; actions: Action[] } {
  const members = { ...view, indexed: membersOnly(set, view) } as View
  return claimChildren<Pod>(members, refs.pods, set, set.spec?.selector)
}

const membersOnly =
  (set: StatefulSet, view: View): View['indexed'] =>
  (ref, index, value) =>
    view.indexed<never>(ref, index, value).filter((pod: Pod) => ordinalOf(set, pod.metadata.name) !== undefined)

function currentRevision(set: StatefulSet, history: History): ControllerRevision {
  return history.revisions.find((one) => one.metadata.name === set.status?.currentRevision) ?? history.update
}

const revised = (
  revision: ControllerRevision,
  fallback: PodTemplateSpec,
): { name: string; template: PodTemplateSpec } => ({
  name: revision.metadata.name!,
  template: templateOf(revision) ?? fallback,
})

/** When minReadySeconds are over, and when a lost node may count as fenced. */
function nextLookMs(set: StatefulSet, pods: readonly Pod[], view: View, nowMs: number): number | undefined {
  let nextMs: number | undefined
  for (const pod of pods) {
    const leftMs = isReady(pod) ? availableInMs(pod, set.spec?.minReadySeconds ?? 0, nowMs) : 0
    if (leftMs > 0) nextMs = sooner(nextMs, leftMs)
    if (isOnLostNode(pod, view)) nextMs = sooner(nextMs, fencePollMs)
  }
  return nextMs
}

function isOnLostNode(pod: Pod, view: View): boolean {
  if (!pod.spec?.nodeName || !pod.metadata.deletionTimestamp) return false
  const node = view.get<Node>(refs.nodes, '', pod.spec.nodeName)
  return node?.status?.conditions?.find((one) => one.type === 'Ready')?.status === 'Unknown'
}
