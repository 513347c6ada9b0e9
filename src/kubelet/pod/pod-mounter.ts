import type { Pod } from '../../api/kinds.ts'
import type { StartFailure } from '../core/pod-view.ts'
import { ImageError } from '../images/image-puller.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { downwardFacts, say, sourcesFor, type PodContext } from './pod-context.ts'
import type { StartAttempts } from './start-attempts.ts'

/** Wait before what could not be mounted is tried again. */
const retryMs = 1_000
/** A mount that takes longer than this goes on by itself: a driver that does not answer must not hold the pod. */
const patienceMs = 1_000
/** The attempts' word for it. */
const volumes = 'pod/volumes'

/** The volumes of one pod: nothing of it starts without them. */
export interface PodMounter {
  /** All of them, as they were mounted last; undefined until they have been. */
  readonly mounted: ReadonlyMap<string, MountedVolume> | undefined
  /** Why their containers wait, where the image of a volume cannot be had. */
  readonly imageFailure: StartFailure | undefined
  /** Whether containers may be created with {@link mounted}. */
  readonly isReady: boolean
  /** Makes what is missing and rewrites what has changed. Returns early when that takes long, and wakes the pod later. */
  look(pod: Pod): Promise<void>
  /** Resolves once nothing is being mounted. */
  settled(): Promise<void>
}

export interface PodMounterOptions {
  readonly context: PodContext
  readonly attempts: StartAttempts
  /** A mount that took long is over. */
  readonly wake: () => void
  /** The pod starts nothing any more. */
  readonly signal: AbortSignal
}

export function createPodMounter({ context, attempts, wake, signal }: PodMounterOptions): PodMounter {
  const { clock, informers, logger } = context.options
  let mounted: ReadonlyMap<string, MountedVolume> | undefined
  let imageFailure: StartFailure | undefined
  let underWay: Promise<void> | undefined

  async function mount(pod: Pod): Promise<void> {
    try {
      const sources = sourcesFor(informers, pod.metadata.namespace ?? '')
      mounted = await context.volumes.mount(pod, sources, downwardFacts(context, pod), signal)
      imageFailure = undefined
      attempts.succeeded(volumes)
    } catch (error) {
      if (signal.aborted) return
      const { message, cause } = error as Error
      imageFailure = cause instanceof ImageError ? cause.failure : undefined
      // Of an image its puller has told already.
      if (imageFailure === undefined && !attempts.isPostponed(volumes)) {
        say(context, pod, 'Warning', 'FailedMount', message)
      }
      attempts.postpone(volumes, clock.nowMs() + retryMs)
      logger.debug({ pod: pod.metadata.name, error: message }, 'volumes are not ready')
    }
  }

  return {
    get mounted() {
      return mounted
    },
    get imageFailure() {
      return imageFailure
    },
    get isReady() {
      return mounted !== undefined && !attempts.isPostponed(volumes)
    },
    async look(pod) {
      if (underWay !== undefined) return
      let isLate = false
      underWay = mount(pod).finally(() => {
        underWay = undefined
        if (isLate) wake()
      })
      const patience = Promise.withResolvers<void>()
      const timer = clock.after(patienceMs, () => {
        isLate = true
        patience.resolve()
      })
      await Promise.race([underWay, patience.promise])
      timer.cancel()
    },
    settled: async () => underWay,
  }
}
