import type { DaemonSet, Node, Pod } from '../../../api/kinds.ts'
import type { Action } from '../../controller.ts'
import { revisionLabel } from '../controller-history.ts'
import { scaledValue } from '../int-or-percent.ts'
import { isAvailable, isFinished } from '../pod-state.ts'
import { createPod, deletePod } from '../workload.ts'
import { daemonPod, placementOn } from './placement.ts'

export const surgeOf = (set: DaemonSet, desired: number): number =>
  set.spec?.updateStrategy?.type === 'OnDelete'
    ? 0
    : scaledValue(set.spec?.updateStrategy?.rollingUpdate?.maxSurge, desired, true)

export interface Rollout {
  set: DaemonSet
  nodes: readonly Node[]
  byTarget: ReadonlyMap<string, Pod[]>
  hash: string
  nowMs: number
}

/** One step of a rolling update (apps/v1 DaemonSet): old pods go, or new ones come beside them, within the limits. */
export function rollDaemons(rollout: Rollout): Action[] {
  const { set, nodes } = rollout
  const wanted = nodes.filter((node) => placementOn(set, node).shouldRun)
  const surge = surgeOf(set, wanted.length)
  return surge > 0 ? surgeStep(rollout, wanted, surge) : deleteStep(rollout, wanted)
}

function podsOn({ set, byTarget, hash, nowMs }: Rollout, node: Node) {
  const pods = (byTarget.get(node.metadata.name!) ?? []).filter((pod) => !isFinished(pod))
  const staying = pods.filter((pod) => !pod.metadata.deletionTimestamp)
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[revisionLabel] === hash
  const minReadySeconds = set.spec?.minReadySeconds ?? 0
  return {
    fresh: staying.find(isNew),
    old: staying.find((pod) => !isNew(pod)),
    isAvailable: staying.some((pod) => isAvailable(pod, minReadySeconds, nowMs)),
    available: (pod: Pod) => isAvailable(pod, minReadySeconds, nowMs),
  }
}

function deleteStep(rollout: Rollout, wanted: readonly Node[]): Action[] {
  const { set } = rollout
  const share = set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1
  const most = Math.max(1, scaledValue(share, wanted.length, true))
  const free: Pod[] = []
  const candidates: Pod[] = []
  let unavailable = 0
  for (const node of wanted) {
    const { fresh, old, isAvailable: available } = podsOn(rollout, node)
    if (!available) unavailable++
    if (!old || fresh) continue
    // What serves nobody can be replaced at no cost.
    if (available) candidates.push(old)
    else free.push(old)
  }
  const chosen = [...free, ...candidates.slice(0, Math.max(0, most - unavailable))]
  return chosen.flatMap((pod) => deletePod(set, pod))
}

function surgeStep(rollout: Rollout, wanted: readonly Node[], surge: number): Action[] {
  const { set, hash } = rollout
  const urgent: Node[] = []
  const candidates: Node[] = []
  const done: Pod[] = []
  let surging = 0
  for (const node of wanted) {
    const { fresh, old, available } = podsOn(rollout, node)
    if (!old) continue
    if (fresh) {
      if (available(fresh)) done.push(old)
      else surging++
    } else if (available(old)) candidates.push(node)
    else urgent.push(node)
  }
  const chosen = [...urgent, ...candidates.slice(0, Math.max(0, surge - surging))]
  return [
    ...done.flatMap((pod) => deletePod(set, pod)),
    ...chosen.map((node) => createPod(set, daemonPod(set, node.metadata.name!, hash))),
  ]
}
