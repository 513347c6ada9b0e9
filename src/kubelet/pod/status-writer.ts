import { isDeepStrictEqual } from 'node:util'
import type { Pod, PodCondition, PodStatus } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Clock } from '../../lib/clock.ts'
import { isKubeletCondition } from '../core/conditions.ts'
import { qosClass } from '../core/quality.ts'

/** What others have written over is put right, but not more often: two who disagree must not keep a cluster busy. */
const repairMs = 10_000

/**
 * Writes a pod's status when it differs from what was written last, or from what the pod says now. Conditions of others
 * are left as they are.
 */
export interface StatusWriter {
  write(pod: Pod, status: PodStatus): Promise<void>
}

export function createStatusWriter(client: Client, clock: Clock): StatusWriter {
  let written: PodStatus | undefined
  /** The pod as the API answered the last write: what it makes of `written`. */
  let accepted: Pod | undefined
  let writtenAtMs = -Infinity

  function isRepairDue(pod: Pod, own: PodStatus): boolean {
    if (accepted === undefined || pod.metadata.resourceVersion === accepted.metadata.resourceVersion) return false
    return clock.monotonicMs() - writtenAtMs >= repairMs && !saysTheSame(pod, accepted, own)
  }

  return {
    async write(pod, status) {
      const { uid, namespace = '', name = '' } = pod.metadata
      const conditions = (status.conditions ?? []).filter(isOwn)
      const own: PodStatus = { ...status, conditions, qosClass: status.qosClass ?? qosClass(pod) }
      const isNew = !isDeepStrictEqual(own, written)
      if (!isNew && !isRepairDue(pod, own)) return
      const change = (latest: Pod): Pod | undefined => {
        if (latest.metadata.uid !== uid) return undefined
        // The pod was an old copy, and nobody has touched what was written.
        if (!isNew && accepted !== undefined && saysTheSame(latest, accepted, own)) return undefined
        const foreign = (latest.status?.conditions ?? []).filter((one) => !isOwn(one))
        return { ...latest, status: { ...latest.status, ...own, conditions: [...foreign, ...conditions] } }
      }
      try {
        accepted = await client.mutate<Pod>(refs.pods, namespace, name, change, { subresource: 'status' })
        written = own
        writtenAtMs = clock.monotonicMs()
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error
      }
    },
  }
}

const isOwn = ({ type }: PodCondition): boolean => isKubeletCondition(type)

/** Whether two copies agree in all that the kubelet writes. */
function saysTheSame(a: Pod, b: Pod, own: PodStatus): boolean {
  const part = ({ status }: Pod) => [
    ...Object.keys(own).map((key) => (key === 'conditions' ? null : status?.[key as keyof PodStatus])),
    ...(status?.conditions ?? []).filter(isOwn).toSorted((x, y) => x.type.localeCompare(y.type)),
  ]
  return isDeepStrictEqual(part(a), part(b))
}
