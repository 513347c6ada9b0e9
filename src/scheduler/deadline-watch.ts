import type { Pod } from '../api/kinds.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { hasBadDeadline, startBeforeAnnotation, startDeadlineMs } from './deadlines.ts'
import { podReference } from './pod-status.ts'

/** Says so, by Event, when a pod has no node at its deadline. Each pod is told once. */
export interface DeadlineWatch {
  /** The pod waits for a node. */
  waits(pod: Pod): void
  /** It has one, or is gone. */
  ends(uid: string): void
  stop(): void
}

/** Longer waits are cut into pieces: timers count milliseconds in 31 bits. */
const maxDelayMs = 24 * 3600_000

export function createDeadlineWatch(clock: Clock, events: EventRecorder): DeadlineWatch {
  const waiting = new Map<string, { text: string; timer: Timer | undefined }>()

  const arm = (pod: Pod, text: string, deadlineMs: number): void => {
    const leftMs = deadlineMs - clock.nowMs()
    const run = (): void => {
      if (deadlineMs > clock.nowMs()) return arm(pod, text, deadlineMs)
      waiting.set(pod.metadata.uid!, { text, timer: undefined })
      events.event(podReference(pod), 'Warning', 'StartDeadlineMissed', `No node was found before ${text}`)
    }
    if (leftMs <= 0) return run()
    waiting.set(pod.metadata.uid!, { text, timer: clock.after(Math.min(leftMs, maxDelayMs), run) })
  }
  const ends = (uid: string): void => {
    waiting.get(uid)?.timer?.cancel()
    waiting.delete(uid)
  }

  return {
    waits(pod) {
      const uid = pod.metadata.uid!
      const text = pod.metadata.annotations?.[startBeforeAnnotation]
      if (waiting.get(uid)?.text === text) return
      ends(uid)
      if (text === undefined) return
      const deadlineMs = startDeadlineMs(pod)
      if (deadlineMs !== undefined) return arm(pod, text, deadlineMs)
      waiting.set(uid, { text, timer: undefined })
      if (hasBadDeadline(pod))
        events.event(
          podReference(pod),
          'Warning',
          'InvalidStartDeadline',
          `${startBeforeAnnotation} must be a time in RFC 3339 form, such as 2030-01-31T12:00:00Z; it is not observed`,
        )
    },
    ends,
    stop() {
      for (const uid of waiting.keys()) ends(uid)
    },
  }
}
