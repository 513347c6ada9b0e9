import type { DaemonSet, DaemonSetStatus, Node, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../../controller.ts'
import { type History, historyOf, revisionLabel, truncateHistory } from '../controller-history.ts'
import { ownerKeys } from '../ownership.ts'
import { availableInMs, isAvailable, isFinished, isReady } from '../pod-state.ts'
import { sameJson } from '../../../lib/same-json.ts'
import {
  childWatch,
  claimChildren,
  createPod,
  deletePod,
  eventAction,
  selfWatch,
  sooner,
  statusAction,
} from '../workload.ts'
import { daemonPod, placementOn, targetNode } from './placement.ts'
import { rollDaemons, surgeOf } from './rolling-update.ts'
import { timeMs } from '../timestamp.ts'

/** Pods made or deleted in one go (upstream's burst of 250). */
const burst = 250
/** A failed daemon is replaced no sooner than this after it was made: nodes that refuse it would be asked without end. */
const failedPodDelayMs = 1000
/** Label of revisions that holds the hash that the pods bear. */
const hashLabel = revisionLabel

const hashOf = ({ update }: History): string => update.metadata.labels?.[hashLabel] ?? ''

/** One pod on every node that wants it (apps/v1 DaemonSet). */
export const daemonSetController: Controller = {
  name: 'daemonset',
  watches: [
    selfWatch(refs.daemonSets),
    childWatch<DaemonSet>(refs.pods, {
      ref: refs.daemonSets,
      kind: 'DaemonSet',
      selectorOf: (set) => set.spec?.selector,
    }),
    {
      // One that the present template needs is made again.
      ref: refs.controllerRevisions,
      keysOf: ({ object, previous }) => (object ? [] : ownerKeys('DaemonSet', [previous])),
    },
    {
      ref: refs.nodes,
      keysOf({ object, previous }, view) {
        if (object && previous && samePlacement(object as Node, previous as Node)) return []
        return view.list<DaemonSet>(refs.daemonSets).map(keyOf)
      },
    },
  ],
  keys: (view) => view.list<DaemonSet>(refs.daemonSets).map(keyOf),
  plan: planDaemonSet,
}

/** Heartbeats change nodes all the time; daemons care for labels and taints only. */
const samePlacement = (a: Node, b: Node): boolean =>
  sameJson(a.metadata.labels, b.metadata.labels) && sameJson(a.spec?.taints, b.spec?.taints)

function planDaemonSet(key: string, view: View, nowMs: number): Plan {
  const { namespace, name } = splitKey(key)
  const set = view.get<DaemonSet>(refs.daemonSets, namespace, name)
  if (!set?.spec) return nothing
  const { claimed, actions } = claimChildren<Pod>(view, refs.pods, set, set.spec.selector)
  const history = historyOf(view, set, set.spec.template, {
    selector: set.spec.selector,
    collisionCount: set.status?.collisionCount,
    hashLabel,
  })
  actions.push(...history.actions)
  const hash = hashOf(history)
  const nodes = view.list<Node>(refs.nodes)
  const byTarget = Map.groupBy(claimed, (pod) => targetNode(pod) ?? '')
  const isDeleted = set.metadata.deletionTimestamp !== undefined
  let requeueAfterMs: number | undefined
  if (!isDeleted) {
    const placed = placeDaemons(set, nodes, byTarget, hash, nowMs)
    actions.push(...placed.actions)
    requeueAfterMs = placed.nextMs
    if (placed.actions.length === 0 && set.spec.updateStrategy?.type !== 'OnDelete')
      actions.push(...rollDaemons({ set, nodes, byTarget, hash, nowMs }))
    const live = new Set([
      history.update.metadata.name!,
      ...history.revisions
        .filter((one) =>
          claimed.some((pod) => pod.metadata.labels?.[revisionLabel] === one.metadata.labels?.[hashLabel]),
        )
        .map((one) => one.metadata.name!),
    ])
    const limit = set.spec.revisionHistoryLimit ?? 10
    actions.push(...truncateHistory(refs.controllerRevisions, history.revisions, live, limit))
  }
  const status = daemonSetStatus(set, nodes, byTarget, history, nowMs)
  if (!isDeleted && !sameJson(status, set.status)) actions.push(statusAction(refs.daemonSets, set, status))
  for (const pod of claimed) {
    const leftMs = isReady(pod) ? availableInMs(pod, set.spec.minReadySeconds ?? 0, nowMs) : 0
    if (leftMs > 0) requeueAfterMs = sooner(requeueAfterMs, leftMs)
  }
  return { actions, ...(requeueAfterMs !== undefined ? { requeueAfterMs } : {}) }
}

function placeDaemons(
  set: DaemonSet,
  nodes: readonly Node[],
  byTarget: ReadonlyMap<string, Pod[]>,
  hash: string,
  nowMs: number,
): { actions: Action[]; nextMs: number | undefined } {
  const missing: string[] = []
  const surplus: Pod[] = []
  const failed: Action[] = []
  let nextMs: number | undefined
  for (const node of nodes) {
    const name = node.metadata.name!
    const pods = byTarget.get(name) ?? []
    const { shouldRun, shouldContinue } = placementOn(set, node)
    if (!shouldContinue) {
      surplus.push(...pods.filter(isStaying))
      continue
    }
    const running: Pod[] = []
    for (const pod of pods) {
      if (!isStaying(pod)) continue
      if (!isFinished(pod)) running.push(pod)
      else {
        const waitMs = (timeMs(pod.metadata.creationTimestamp) ?? 0) + failedPodDelayMs - nowMs
        if (waitMs > 0) nextMs = sooner(nextMs, waitMs)
        else failed.push(...replaceFinished(set, pod, name))
      }
    }
    if (pods.length === 0 && shouldRun) missing.push(name)
    else surplus.push(...duplicates(set, running, hash, nowMs))
  }
  // A pod for a node that is gone: the pod collector ends those that were bound.
  const known = new Set(nodes.map((node) => node.metadata.name!))
  for (const [name, pods] of byTarget)
    if (!known.has(name)) surplus.push(...pods.filter((pod) => isStaying(pod) && !pod.spec?.nodeName))
  return {
    actions: [
      ...failed,
      ...missing.slice(0, burst).map((name) => createPod(set, daemonPod(set, name, hash))),
      ...surplus.slice(0, burst).flatMap((pod) => deletePod(set, pod)),
    ],
    nextMs,
  }
}

const isStaying = (pod: Pod): boolean => pod.metadata.deletionTimestamp === undefined

function replaceFinished(set: DaemonSet, pod: Pod, nodeName: string): Action[] {
  const isFailed = pod.status?.phase === 'Failed'
  const { namespace, name } = pod.metadata
  return [
    eventAction(
      referenceTo(set),
      isFailed ? 'Warning' : 'Normal',
      isFailed ? 'FailedDaemonPod' : 'SucceededDaemonPod',
      `Found ${isFailed ? 'failed' : 'succeeded'} daemon pod ${namespace}/${name} on node ${nodeName}, will try to ${isFailed ? 'kill' : 'delete'} it`,
    ),
    ...deletePod(set, pod),
  ]
}

/** More than one on a node: the oldest stays; during a surge the new one may stand beside it until it is available. */
function duplicates(set: DaemonSet, running: readonly Pod[], hash: string, nowMs: number): Pod[] {
  if (running.length <= 1) return []
  const byAge = running.toSorted(
    (a, b) =>
      Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName)) ||
      (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') ||
      (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''),
  )
  if (surgeOf(set, running.length) === 0) return byAge.slice(1)
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[revisionLabel] === hash
  const [oldest, newest] = [byAge.find((pod) => !isNew(pod)), byAge.find(isNew)]
  if (!oldest || !newest) return byAge.slice(1)
  // The old one goes when it is no use or no longer needed (upstream findUpdatedPodsOnNode).
  const isDone = isAvailable(newest, set.spec?.minReadySeconds ?? 0, nowMs) || !isReady(oldest)
  return byAge.filter((pod) => pod !== newest && (isDone || pod !== oldest))
}

function daemonSetStatus(
  set: DaemonSet,
  nodes: readonly Node[],
  byTarget: ReadonlyMap<string, Pod[]>,
  history: History,
  nowMs: number,
): DaemonSetStatus {
  const hash = hashOf(history)
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 }
  for (const node of nodes) {
    const pods = (byTarget.get(node.metadata.name!) ?? []).filter((pod) => isStaying(pod) && !isFinished(pod))
    const { shouldRun } = placementOn(set, node)
    if (!shouldRun) {
      if (pods.length > 0) counts.misscheduled++
      continue
    }
    counts.desired++
    if (pods.length === 0) continue
    counts.current++
    if (pods.some(isReady)) counts.ready++
    if (pods.some((pod) => isAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs))) counts.available++
    if (pods.some((pod) => pod.metadata.labels?.[revisionLabel] === hash)) counts.updated++
  }
  return {
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
    ...(history.collisionCount > 0 ? { collisionCount: history.collisionCount } : {}),
    currentNumberScheduled: counts.current,
    desiredNumberScheduled: counts.desired,
    numberMisscheduled: counts.misscheduled,
    numberReady: counts.ready,
    ...(counts.available > 0 ? { numberAvailable: counts.available } : {}),
    ...(counts.desired - counts.available > 0 ? { numberUnavailable: counts.desired - counts.available } : {}),
    updatedNumberScheduled: counts.updated,
    observedGeneration: set.metadata.generation ?? 0,
  }
}
