import type { Node, Pod } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, nothing } from '../controller.ts'
import { isFinished } from './pod-state.ts'

/** Finished pods beyond this number go, oldest first (upstream: --terminated-pod-gc-threshold). */
const maxFinishedPods = 12_500

/** Removes pods that nobody will end: bound to a node that is gone, deleted before they were bound, or finished in excess. */
export const podGarbageCollector: Controller = {
  name: 'pod-garbage-collector',
  watches: [
    { ref: refs.nodes, keysOf: ({ object }) => (object ? [] : ['all']) },
    {
      ref: refs.pods,
      keysOf: ({ object }) => (object?.metadata.deletionTimestamp && !(object as Pod).spec?.nodeName ? ['all'] : []),
    },
  ],
  keys: () => ['all'],
  plan(_key, view) {
    const pods = view.list<Pod>(refs.pods)
    const nodes = new Set(view.list<Node>(refs.nodes).map((node) => node.metadata.name))
    if (pods.length === 0) return nothing
    const orphaned = pods.filter((pod) => pod.spec?.nodeName && !nodes.has(pod.spec.nodeName))
    const unbound = pods.filter((pod) => !pod.spec?.nodeName && pod.metadata.deletionTimestamp)
    const finished = pods
      .filter(isFinished)
      .toSorted((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))
    const surplus = finished.slice(0, Math.max(0, finished.length - maxFinishedPods))
    const actions = [...new Set([...orphaned, ...unbound, ...surplus])].map((pod): Action => ({
      do: 'delete',
      ref: refs.pods,
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name!,
      uid: pod.metadata.uid!,
      gracePeriodSeconds: 0,
    }))
    return { actions, requeueAfterMs: 20_000 }
  },
}
