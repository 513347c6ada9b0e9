import type { Pod, PodStatus } from '../../api/kinds.ts'
import type { Clock } from '../../lib/clock.ts'
import type { StartFailure } from '../core/pod-view.ts'

/** Whether one pod may run here, decided once. */
export interface Admission {
  /** `open`: to be asked again after {@link waitMs}; a failure: the pod is refused for good. */
  look(pod: Pod, hasContainers: boolean): 'taken' | 'open' | StartFailure
  isTaken(): boolean
  /** What was taken is refused after all, before anything of it was made. */
  reject(): void
  isRejected(): boolean
  readonly waitMs: number
}

/**
 * A refusal counts only when it still stands a moment later: news of a binding may come before that of the end of the
 * pod whose place it takes.
 */
const patienceMs = 1_000

export function createAdmission(refusal: (pod: Pod) => StartFailure | undefined, clock: Clock): Admission {
  let state: 'new' | 'taken' | 'rejected' = 'new'
  let refusedAtMs: number | undefined
  return {
    look(pod, hasContainers) {
      // What runs, or was reported on, was taken by an earlier run of the agent.
      if (state === 'taken' || hasContainers || pod.status?.startTime !== undefined) {
        state = 'taken'
        return 'taken'
      }
      const why = refusal(pod)
      if (why === undefined) {
        state = 'taken'
        return 'taken'
      }
      refusedAtMs ??= clock.monotonicMs()
      if (clock.monotonicMs() - refusedAtMs < patienceMs) return 'open'
      state = 'rejected'
      return why
    },
    isTaken: () => state === 'taken',
    reject: () => void (state = 'rejected'),
    isRejected: () => state === 'rejected',
    waitMs: patienceMs,
  }
}

/** What is said of a pod of which nothing was ever made here (upstream rejectPod). */
export const rejectedStatus = (pod: Pod, failure: StartFailure | undefined): PodStatus => ({
  ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  phase: 'Failed',
  reason: failure?.reason,
  message: failure?.message,
  conditions: pod.status?.conditions ?? [],
})
