import type { Job, Pod } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import type { Absence } from '../../absence.ts'
import { type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../../controller.ts'
import { controllerOf } from '../ownership.ts'
import { byController } from '../workload.ts'
import { isTracked, release } from './job-pods.ts'

/**
 * Lets go of pods that still wait to be counted by a job that is gone, or that no job controls any more: else they, and
 * with them their namespace, would never end. Keys are pods.
 */
export function jobOrphanPodsController(absence: Absence): Controller {
  return {
    name: 'job-orphan-pods',
    watches: [
      {
        ref: refs.pods,
        keysOf: ({ object }) => (object && isTracked(object as Pod) ? [keyOf(object)] : []),
      },
      {
        ref: refs.jobs,
        keysOf({ object, previous }, view) {
          if (object) absence.present(object.metadata.uid!)
          const gone = previous && previous.metadata.uid !== object?.metadata.uid ? previous : undefined
          if (!gone) return []
          absence.went(gone.metadata.uid!)
          return view.indexed<Pod>(refs.pods, byController, gone.metadata.uid!).filter(isTracked).map(keyOf)
        },
      },
    ],
    keys: (view) => view.list<Pod>(refs.pods).filter(isTracked).map(keyOf),
    plan: (key, view, nowMs) => planPod(key, view, nowMs, absence),
  }
}

function planPod(key: string, view: View, nowMs: number, absence: Absence): Plan {
  const { namespace, name } = splitKey(key)
  const pod = view.get<Pod>(refs.pods, namespace, name)
  if (!pod || !isTracked(pod)) return nothing
  const owner = controllerOf(pod)
  if (!owner) return { actions: [release(pod)] }
  if (owner.kind !== 'Job' || owner.apiVersion !== 'batch/v1') return nothing
  // What a job that is there does with its pods is its controller's affair.
  if (view.get<Job>(refs.jobs, namespace, owner.name)?.metadata.uid === owner.uid) return nothing
  const leftMs = absence.leftMs(owner.uid, nowMs)
  return leftMs > 0 ? { actions: [], requeueAfterMs: leftMs } : { actions: [release(pod)] }
}
