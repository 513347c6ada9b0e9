import type { Node, Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Absence } from '../absence.ts'
import { type Action, type Controller, nothing, type Plan, type View } from '../controller.ts'
import { isFinished } from './pod-state.ts'
import { timestamp } from './timestamp.ts'
import { byNode, deleteAction, mutateAction } from './workload.ts'

/** Finished pods beyond this number go, oldest first (upstream: --terminated-pod-gc-threshold). */
const maxFinishedPods = 12_500
/** Set by the user on a node that is certainly off (KEP-2268). */
const outOfServiceTaint = 'node.kubernetes.io/out-of-service'
const surplusKey = 'finished'
const sweepMs = 20_000

/**
 * Removes pods that nobody will end: bound to a node that is gone or out of service, deleted before they were bound, or
 * finished in excess. Keys: `node/<name>`, `pod/<namespace>/<name>` and `finished`.
 */
export function podGarbageCollector(absence: Absence): Controller {
  return {
    name: 'pod-garbage-collector',
    watches: [
      {
        ref: refs.nodes,
        keysOf({ object, name }) {
          if (object) absence.present(name)
          else absence.went(name)
          return !object || isOutOfService(object as Node) ? [`node/${name}`] : []
        },
      },
      {
        ref: refs.pods,
        keysOf({ object, namespace, name }, view) {
          if (!object) return []
          const { nodeName } = (object as Pod).spec ?? {}
          if (!nodeName) return object.metadata.deletionTimestamp ? [`pod/${namespace}/${name}`] : []
          const node = view.get<Node>(refs.nodes, '', nodeName)
          return !node || isOutOfService(node) ? [`node/${nodeName}`] : []
        },
      },
    ],
    keys: (view) => [
      surplusKey,
      ...new Set(
        view.list<Pod>(refs.pods).flatMap((pod) => {
          if (pod.spec?.nodeName)
            return view.get<Node>(refs.nodes, '', pod.spec.nodeName) ? [] : [`node/${pod.spec.nodeName}`]
          return pod.metadata.deletionTimestamp ? [`pod/${pod.metadata.namespace}/${pod.metadata.name}`] : []
        }),
      ),
    ],
    plan(key, view, nowMs) {
      if (key === surplusKey) return surplus(view)
      const [kind, first = '', second = ''] = key.split('/')
      return kind === 'node' ? ofNode(first, view, nowMs, absence) : unbound(first, second, view, nowMs)
    },
  }
}

const isOutOfService = (node: Node): boolean => node.spec?.taints?.some((one) => one.key === outOfServiceTaint) ?? false

function ofNode(name: string, view: View, nowMs: number, absence: Absence): Plan {
  const node = view.get<Node>(refs.nodes, '', name)
  const pods = view.indexed<Pod>(refs.pods, byNode, name)
  if (pods.length === 0) return nothing
  if (node) {
    const isReady = node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
    if (!isOutOfService(node) || isReady) return nothing
    return { actions: pods.filter((pod) => pod.metadata.deletionTimestamp).flatMap((pod) => end(pod, nowMs)) }
  }
  const leftMs = absence.leftMs(name, nowMs)
  if (leftMs > 0) return { actions: [], requeueAfterMs: leftMs }
  return { actions: pods.flatMap((pod) => end(pod, nowMs)) }
}

function unbound(namespace: string, name: string, view: View, nowMs: number): Plan {
  const pod = view.get<Pod>(refs.pods, namespace, name)
  return pod && !pod.spec?.nodeName && pod.metadata.deletionTimestamp ? { actions: end(pod, nowMs) } : nothing
}

function surplus(view: View): Plan {
  const finished = view
    .list<Pod>(refs.pods)
    .filter(isFinished)
    .toSorted((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))
  const actions = finished
    .slice(0, Math.max(0, finished.length - maxFinishedPods))
    .map((pod) => deleteAction(refs.pods, pod, { gracePeriodSeconds: 0 }))
  return { actions, requeueAfterMs: sweepMs }
}

/** Its owner must learn that it failed, and not by its own fault, before the object goes (KEP-3329). */
function end(pod: Pod, nowMs: number): Action[] {
  const removal = deleteAction(refs.pods, pod, { gracePeriodSeconds: 0 })
  const isMarked = pod.metadata.deletionTimestamp !== undefined && pod.metadata.deletionGracePeriodSeconds === 0
  if (isFinished(pod)) return isMarked && pod.metadata.finalizers?.length ? [] : [removal]
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime: timestamp(nowMs),
  }
  const fail = mutateAction(
    refs.pods,
    pod,
    (current) => {
      if (isFinished(current)) return undefined
      const conditions = [...(current.status?.conditions ?? []).filter((one) => one.type !== condition.type), condition]
      return { ...current, status: { ...current.status, phase: 'Failed', conditions } }
    },
    'status',
  )
  // A pod that something holds stays until its end is told; any other goes at once.
  return pod.metadata.finalizers?.length ? [fail] : [{ ...fail, next: removal }]
}
