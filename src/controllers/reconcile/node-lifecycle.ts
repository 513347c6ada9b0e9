import type { Node, NodeCondition, Pod, Taint } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../controller.ts'
import { createNodeZones, isOurEviction, type NodeZones } from './node-zones.ts'
import { timeMs, timestamp } from './timestamp.ts'
import { isFinished, podCondition } from './pod-state.ts'
import { sameJson } from '../../lib/same-json.ts'
import { createTaintTimes, evictions, type TaintTimes } from './taint-eviction.ts'
import { byNode, eventAction, mutateAction, sooner } from './workload.ts'

const notReadyTaint = 'node.kubernetes.io/not-ready'
const unreachableTaint = 'node.kubernetes.io/unreachable'
/** Taints that say a condition of the node (upstream's TaintNodesByCondition). */
const conditionTaints: readonly { condition: string; key: string }[] = [
  { condition: 'MemoryPressure', key: 'node.kubernetes.io/memory-pressure' },
  { condition: 'DiskPressure', key: 'node.kubernetes.io/disk-pressure' },
  { condition: 'PIDPressure', key: 'node.kubernetes.io/pid-pressure' },
  { condition: 'NetworkUnavailable', key: 'node.kubernetes.io/network-unavailable' },
]
const managedKeys = new Set([
  notReadyTaint,
  unreachableTaint,
  'node.kubernetes.io/unschedulable',
  ...conditionTaints.map((one) => one.key),
])

/** Who is alive comes from the mesh's probes, not from a heartbeat object; undefined: no member of that name. */
export type Liveness = (nodeName: string) => boolean | undefined

export interface NodeLifecycleOptions {
  isAlive: Liveness
  /** Calls back when a node's liveness changed. Returns the way to stop. */
  onLiveness?: (handler: (nodeName: string) => void) => () => void
  /**
   * A node that was not alive since this controller started is judged only after this time: a new leader's probes need a
   * moment. Default 10 s.
   */
  graceMs?: number
  /** This machine has been in touch with the node since it started: its probes may be believed at once. */
  hasMet?: (nodeName: string) => boolean
}

const defaultGraceMs = 10_000
/** A node that is no member is judged by its own reports, which a kubelet repeats every five minutes. */
const staleReportMs = 340_000

/**
 * Marks nodes that the mesh does not reach, taints nodes by their conditions, takes their pods out of service, and
 * evicts pods whose toleration of a NoExecute taint is over.
 */
export function nodeLifecycleController(options: NodeLifecycleOptions): Controller {
  const { onLiveness } = options
  const zones = createNodeZones()
  const memory: Memory = {
    verdict: createVerdict(options),
    taintTimes: createTaintTimes(),
    zones,
    pendingEvictions: new Map(),
  }
  return {
    name: 'node-lifecycle',
    watches: [
      {
        ref: refs.nodes,
        keysOf({ name }) {
          zones.changed()
          return [`/${name}`]
        },
      },
      {
        ref: refs.pods,
        keysOf({ object }, view) {
          const { nodeName } = (object as Pod | undefined)?.spec ?? {}
          const node = nodeName && view.get<Node>(refs.nodes, '', nodeName)
          // On a node that is well nothing happens to pods.
          return node && (readiness(node) !== 'True' || node.spec?.taints?.length) ? [`/${nodeName}`] : []
        },
      },
    ],
    ...(onLiveness ? { triggers: (enqueue) => onLiveness((nodeName) => enqueue(`/${nodeName}`)) } : {}),
    keys: (view) => view.list<Node>(refs.nodes).map(keyOf),
    plan: (key, view, nowMs) => planNode(splitKey(key).name, view, nowMs, memory),
  }
}

type Verdict = (node: Node, nowMs: number) => { isLost: boolean; againMs?: number }

/** Judges nodes; remembers who was alive in this term, and since when it has looked at each. */
function createVerdict({ isAlive, hasMet, graceMs = defaultGraceMs }: NodeLifecycleOptions): Verdict {
  const wasAlive = new Set<string>()
  const lookedSinceMs = new Map<string, number>()
  return (node, nowMs) => {
    const name = node.metadata.name!
    const alive = isAlive(name)
    if (alive) {
      wasAlive.add(name)
      return { isLost: false }
    }
    const sinceMs = lookedSinceMs.get(name) ?? nowMs
    lookedSinceMs.set(name, sinceMs)
    if (alive === undefined) {
      const reportedMs = timeMs(node.status?.conditions?.find((one) => one.type === 'Ready')?.lastHeartbeatTime)
      const leftMs = Math.max(reportedMs === undefined ? 0 : reportedMs + staleReportMs, sinceMs + graceMs) - nowMs
      return leftMs > 0 ? { isLost: false, againMs: leftMs } : { isLost: true }
    }
    const leftMs = wasAlive.has(name) || hasMet?.(name) ? 0 : sinceMs + graceMs - nowMs
    return leftMs > 0 ? { isLost: false, againMs: leftMs } : { isLost: true }
  }
}

const readiness = (node: Node): string | undefined =>
  node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status

/** What one term of leadership remembers of the nodes. */
interface Memory {
  readonly verdict: Verdict
  readonly taintTimes: TaintTimes
  readonly zones: NodeZones
  /** Pods of which it was decided that they go if nothing changes, by node. */
  readonly pendingEvictions: Map<string, ReadonlySet<string>>
}

function planNode(name: string, view: View, nowMs: number, memory: Memory): Plan {
  const { verdict, taintTimes, zones, pendingEvictions } = memory
  const node = view.get<Node>(refs.nodes, '', name)
  if (!node) {
    pendingEvictions.delete(name)
    return nothing
  }
  const { isLost, againMs } = verdict(node, nowMs)
  const actions: Action[] = []
  const conditions = isLost ? unknownConditions(node, nowMs) : (node.status?.conditions ?? [])
  if (!sameJson(conditions, node.status?.conditions ?? [])) {
    actions.push(
      mutateAction(
        refs.nodes,
        node,
        (current) => ({ ...current, status: { ...current.status, conditions } }),
        'status',
      ),
      eventAction(referenceTo(node), 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`),
    )
  }
  const { taints, waitMs } = desiredTaints({ ...node, status: { ...node.status, conditions } }, nowMs, (one) =>
    zones.evictionWaitMs(one, view, nowMs),
  )
  if (!sameJson(taints, node.spec?.taints ?? [])) actions.push(writeTaints(node, taints))
  const pods = view.indexed<Pod>(refs.pods, byNode, name)
  const ready = conditions.find((condition) => condition.type === 'Ready')?.status
  if (ready !== undefined && ready !== 'True') actions.push(...pods.flatMap((pod) => markNotReady(pod, nowMs)))
  const {
    actions: ended,
    pending,
    nextMs,
  } = evictions(pods, taintTimes(name, taints, nowMs), pendingEvictions.get(name) ?? new Set(), nowMs)
  actions.push(...ended)
  if (pending.size > 0) pendingEvictions.set(name, pending)
  else pendingEvictions.delete(name)
  const requeueAfterMs = sooner(sooner(againMs, waitMs), nextMs)
  return { actions, ...(requeueAfterMs !== undefined ? { requeueAfterMs } : {}) }
}

/** Only the taints that are ours are written: somebody may add or take away others meanwhile. */
function writeTaints(node: Node, taints: readonly Taint[]): Action {
  const ours = taints.filter((taint) => managedKeys.has(taint.key))
  return mutateAction(refs.nodes, node, (current) => {
    const next = [...(current.spec?.taints ?? []).filter((taint) => !managedKeys.has(taint.key)), ...ours]
    return { ...current, spec: { ...current.spec, taints: next.length > 0 ? next : undefined } }
  })
}

const kubeletConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

function unknownConditions(node: Node, nowMs: number): NodeCondition[] {
  const before = node.status?.conditions ?? []
  const now = timestamp(nowMs)
  const changed = before.map((condition): NodeCondition => {
    if (!kubeletConditions.includes(condition.type) || condition.status === 'Unknown') return condition
    return {
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    }
  })
  if (changed.some((condition) => condition.type === 'Ready')) return changed
  return [
    ...changed,
    {
      type: 'Ready',
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    },
  ]
}

/** How soon a node that is not ready is looked at again, for what became of its zone. */
const zonePollMs = 5000

/** The user's taints, then those that the node's state calls for; a taint that stays keeps its time. */
function desiredTaints(
  node: Node,
  nowMs: number,
  evictionWaitMs: (node: Node) => number,
): { taints: Taint[]; waitMs?: number } {
  const present = node.spec?.taints ?? []
  const wanted: { key: string; effect: string }[] = []
  const ready = readiness(node)
  const readyKey = ready === 'Unknown' ? unreachableTaint : ready === 'True' ? undefined : notReadyTaint
  let waitMs: number | undefined
  if (readyKey) {
    wanted.push({ key: readyKey, effect: 'NoSchedule' })
    const isEvicting = present.some(isOurEviction)
    const leftMs = evictionWaitMs(node)
    if (leftMs === 0 || (isEvicting && Number.isFinite(leftMs))) {
      wanted.push({ key: readyKey, effect: 'NoExecute' })
      // Until the rest of the zone goes dark as well.
      waitMs = zonePollMs
    } else waitMs = Math.min(leftMs, zonePollMs)
  }
  if (node.spec?.unschedulable) wanted.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  for (const { condition, key } of conditionTaints)
    if (node.status?.conditions?.find((one) => one.type === condition)?.status === 'True')
      wanted.push({ key, effect: 'NoSchedule' })
  const kept = present.filter((taint) => !managedKeys.has(taint.key))
  const taints = [
    ...kept,
    ...wanted.map(
      ({ key, effect }) =>
        present.find((taint) => taint.key === key && taint.effect === effect) ?? {
          key,
          effect,
          timeAdded: timestamp(nowMs),
        },
    ),
  ]
  return { taints, ...(waitMs === undefined ? {} : { waitMs }) }
}

/** A pod on a node that is not ready serves nobody: its Ready condition goes, and with it its endpoint. */
function markNotReady(pod: Pod, nowMs: number): Action[] {
  if (isFinished(pod) || podCondition(pod, 'Ready')?.status !== 'True') return []
  const now = timestamp(nowMs)
  return [
    mutateAction(
      refs.pods,
      pod,
      (current) => {
        const conditions = current.status?.conditions?.map((condition) =>
          condition.type === 'Ready' && condition.status === 'True'
            ? { ...condition, status: 'False', reason: 'NodeNotReady', lastTransitionTime: now }
            : condition,
        )
        return { ...current, status: { ...current.status, conditions } }
      },
      'status',
    ),
    eventAction(referenceTo(pod), 'Warning', 'NodeNotReady', 'Node is not ready'),
  ]
}
