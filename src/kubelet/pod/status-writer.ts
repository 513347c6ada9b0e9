import { isDeepStrictEqual } from 'node:util'
import type { Pod, PodCondition, PodStatus } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import { kubeletConditions } from '../core/conditions.ts'
import { qosClass } from '../core/quality.ts'

/** Writes a pod's status when it differs from what was written last. Conditions of others are left as they are. */
export interface StatusWriter {
  write(pod: Pod, status: PodStatus): Promise<void>
}

export function createStatusWriter(client: Client): StatusWriter {
  let written: PodStatus | undefined
  return {
    async write(pod, status) {
      const { uid, namespace = '', name = '' } = pod.metadata
      const conditions = (status.conditions ?? []).filter(isOwn)
      const own: PodStatus = { ...status, conditions, qosClass: status.qosClass ?? qosClass(pod) }
      if (isDeepStrictEqual(own, written)) return
      const change = (latest: Pod): Pod | undefined => {
        if (latest.metadata.uid !== uid) return undefined
        const foreign = (latest.status?.conditions ?? []).filter((one) => !isOwn(one))
        return { ...latest, status: { ...latest.status, ...own, conditions: [...foreign, ...conditions] } }
      }
      try {
        await client.mutate<Pod>(refs.pods, namespace, name, change, { subresource: 'status' })
        written = own
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error
      }
    },
  }
}

const isOwn = ({ type }: PodCondition): boolean => kubeletConditions.includes(type)
