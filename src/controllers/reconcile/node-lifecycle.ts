import type { Node, NodeCondition, Pod, Taint, Toleration } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { tolerates } from '../../lib/taints.ts'
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
import { timestamp } from './timestamp.ts'
import { isFinished, podCondition } from './pod-state.ts'
import { sameJson } from './same-json.ts'

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

/**
 * Marks nodes that the mesh does not reach, taints nodes by their conditions, takes their pods out of service, and
 * evicts pods whose toleration of a NoExecute taint is over.
 */
export function nodeLifecycleController(isAlive: Liveness): Controller {
  return {
    name: 'node-lifecycle',
    watches: [
      { ref: refs.nodes, keysOf: ({ name }) => [`/${name}`] },
      {
        ref: refs.pods,
        keysOf: ({ object }) =>
          (object as Pod | undefined)?.spec?.nodeName ? [`/${(object as Pod).spec!.nodeName}`] : [],
      },
    ],
    keys: (view) => view.list<Node>(refs.nodes).map(keyOf),
    plan: (key, view, nowMs) => planNode(splitKey(key).name, view, nowMs, isAlive),
  }
}

function planNode(name: string, view: View, nowMs: number, isAlive: Liveness): Plan {
  const node = view.get<Node>(refs.nodes, '', name)
  if (!node) return nothing
  const alive = isAlive(name)
  const actions: Action[] = []
  const conditions = alive === false ? unknownConditions(node, nowMs) : (node.status?.conditions ?? [])
  if (!sameJson(conditions, node.status?.conditions ?? [])) {
    actions.push(
      change(node, 'status', (current) => ({ ...current, status: { ...current.status, conditions } })),
      {
        do: 'event',
        about: referenceTo(node),
        type: 'Normal',
        reason: 'NodeNotReady',
        message: `Node ${name} status is now: NodeNotReady`,
      },
    )
  }
  const taints = desiredTaints(node, conditions, nowMs)
  if (!sameJson(taints, node.spec?.taints ?? [])) {
    actions.push(
      change(node, undefined, (current) => ({
        ...current,
        spec: { ...current.spec, ...(taints.length > 0 ? { taints } : { taints: undefined }) },
      })),
    )
  }
  const pods = view.list<Pod>(refs.pods).filter((pod) => pod.spec?.nodeName === name)
  const ready = conditions.find((condition) => condition.type === 'Ready')?.status
  if (ready !== 'True') actions.push(...pods.flatMap((pod) => markNotReady(pod, nowMs)))
  const eviction = evictions(
    pods,
    taints.filter((taint) => taint.effect === 'NoExecute'),
    nowMs,
  )
  actions.push(...eviction.actions)
  return { actions, ...(eviction.nextMs !== undefined ? { requeueAfterMs: eviction.nextMs } : {}) }
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

/** The user's taints, then those that the node's state calls for; a taint that stays keeps its time. */
function desiredTaints(node: Node, conditions: readonly NodeCondition[], nowMs: number): Taint[] {
  const present = node.spec?.taints ?? []
  const wanted: { key: string; effect: string }[] = []
  const ready = conditions.find((condition) => condition.type === 'Ready')?.status
  const readyKey = ready === 'Unknown' ? unreachableTaint : ready === 'True' ? undefined : notReadyTaint
  if (readyKey) wanted.push({ key: readyKey, effect: 'NoSchedule' }, { key: readyKey, effect: 'NoExecute' })
  if (node.spec?.unschedulable) wanted.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  for (const { condition, key } of conditionTaints)
    if (conditions.find((one) => one.type === condition)?.status === 'True') wanted.push({ key, effect: 'NoSchedule' })
  const kept = present.filter((taint) => !managedKeys.has(taint.key))
  return [
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
}

/** A pod on a node that is not ready serves nobody: its Ready condition goes, and with it its endpoint. */
function markNotReady(pod: Pod, nowMs: number): Action[] {
  if (isFinished(pod) || podCondition(pod, 'Ready')?.status !== 'True') return []
  const now = timestamp(nowMs)
  return [
    {
      do: 'mutate',
      ref: refs.pods,
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name!,
      uid: pod.metadata.uid!,
      subresource: 'status',
      change(current) {
        const status = (current as Pod).status
        const conditions = status?.conditions?.map((condition) =>
          condition.type === 'Ready' && condition.status === 'True'
            ? { ...condition, status: 'False', reason: 'NodeNotReady', lastTransitionTime: now }
            : condition,
        )
        return { ...current, status: { ...status, conditions } } as typeof current
      },
    },
  ]
}

function evictions(
  pods: readonly Pod[],
  taints: readonly Taint[],
  nowMs: number,
): { actions: Action[]; nextMs?: number } {
  const actions: Action[] = []
  let nextMs: number | undefined
  if (taints.length === 0) return { actions }
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp || isFinished(pod)) continue
    const leftMs = toleratedForMs(pod.spec?.tolerations ?? [], taints, nowMs)
    if (leftMs <= 0) {
      actions.push(
        {
          do: 'event',
          about: referenceTo(pod),
          type: 'Normal',
          reason: 'TaintManagerEviction',
          message: `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}`,
        },
        {
          do: 'delete',
          ref: refs.pods,
          namespace: pod.metadata.namespace ?? '',
          name: pod.metadata.name!,
          uid: pod.metadata.uid!,
        },
      )
    } else if (Number.isFinite(leftMs)) nextMs = Math.min(nextMs ?? Infinity, leftMs)
  }
  return { actions, nextMs }
}

/** Milliseconds that the pod may stay under these NoExecute taints: 0 when one is not tolerated, Infinity when all are for good. */
function toleratedForMs(tolerations: readonly Toleration[], taints: readonly Taint[], nowMs: number): number {
  let leftMs = Infinity
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    const seconds = matching.map((toleration) => toleration.tolerationSeconds).filter((one) => one !== undefined)
    if (seconds.length < matching.length && seconds.length === 0) continue
    const since = Date.parse(taint.timeAdded ?? '')
    leftMs = Math.min(leftMs, (Number.isNaN(since) ? nowMs : since) + Math.max(0, Math.min(...seconds)) * 1000 - nowMs)
  }
  return leftMs
}

function change(node: Node, subresource: string | undefined, edit: (current: Node) => Node): Action {
  return {
    do: 'mutate',
    ref: refs.nodes,
    namespace: '',
    name: node.metadata.name!,
    uid: node.metadata.uid!,
    subresource,
    change: (current) => edit(current as Node),
  }
}
