import type { Pod } from '../api/kinds.ts'

type PodStatus = NonNullable<Pod['status']>

export const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

/** The status of a pod all of whose containers run and are ready. */
export function runningStatus(pod: Pod, nowMs: number, podIP: string, hostIP: string): PodStatus {
  const at = timeOf(nowMs)
  return {
    ...pod.status,
    phase: 'Running',
    startTime: pod.status?.startTime ?? at,
    podIP,
    podIPs: [{ ip: podIP }],
    hostIP,
    conditions: conditions('True', at),
    containerStatuses: containers(pod, true, { running: { startedAt: at } }),
  }
}

/** The status of a pod whose containers have ended for good. */
export function endedStatus(pod: Pod, nowMs: number, phase: 'Succeeded' | 'Failed'): PodStatus {
  const at = timeOf(nowMs)
  const isGood = phase === 'Succeeded'
  const terminated = { exitCode: isGood ? 0 : 137, reason: isGood ? 'Completed' : 'Error', finishedAt: at }
  return {
    ...pod.status,
    phase,
    conditions: conditions('False', at),
    containerStatuses: containers(pod, false, { terminated }),
  }
}

const conditions = (ready: 'True' | 'False', at: string) =>
  ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
    type,
    status: type === 'PodScheduled' || type === 'Initialized' ? 'True' : ready,
    lastTransitionTime: at,
  }))

const containers = (pod: Pod, ready: boolean, state: object) =>
  (pod.spec?.containers ?? []).map(({ name, image }) => ({
    name,
    image: image ?? '',
    imageID: image ?? '',
    ready,
    restartCount: 0,
    state,
  }))
