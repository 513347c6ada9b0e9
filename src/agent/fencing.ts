import type { PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'

/**
 * How long a node goes on running pods that must be unique without hearing a leader (architecture §5). The majority
 * starts them elsewhere only after a minute (controllers' defaultFenceMs): this lease, the time that the pods get to
 * end, and the drift of two clocks fit into it.
 */
export const leaseMs = 25_000
/** Longest time that a fenced pod gets to end. */
const maxGraceMs = 15_000
const checkMs = 1000

export interface FencingOptions {
  nodeName: string
  informers: Informers
  /** Monotonic ms at which this node last heard a leader that had a quorum. */
  lastLeaderContactMs(): number
  /** One node alone has nobody to fence itself from. */
  isAlone(): boolean
  fail(podUid: string, failure: { reason: string; message: string }, graceMs: number): void
  clock: Clock
  logger: Logger
}

/** Stops this node's unique pods once it has not heard a leader for the lease; monotonic time, so a set clock changes nothing. */
export function createFencing(options: FencingOptions): Service {
  const { nodeName, informers, clock, logger } = options
  const pods = informers.for<Pod>(refs.pods)
  const claims = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  let startedMs = 0
  let timer: Timer | undefined
  let isFenced = false

  const check = (): void => {
    timer = clock.after(checkMs, check)
    // A node that has just started has not had the time to hear anybody.
    const silentMs = clock.monotonicMs() - Math.max(startedMs, options.lastLeaderContactMs())
    if (silentMs < leaseMs || options.isAlone()) {
      isFenced = false
      return
    }
    const unique = pods
      .list()
      .filter((pod) => pod.spec?.nodeName === nodeName && !isFinished(pod) && isUnique(pod, claimOf))
    if (!isFenced && unique.length > 0)
      logger.warn(
        { pods: unique.length, silentMs },
        'no leader heard for the lease: pods that must be unique are stopped',
      )
    isFenced = true
    const message = `The node has not heard the leader for ${leaseMs / 1000} s; the pod may be started elsewhere.`
    for (const pod of unique) {
      const graceMs = Math.min((pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000, maxGraceMs)
      options.fail(pod.metadata.uid!, { reason: 'Fenced', message }, graceMs)
    }
  }
  const claimOf = (namespace: string, name: string): PersistentVolumeClaim | undefined => claims.get(namespace, name)

  return {
    start() {
      startedMs = clock.monotonicMs()
      timer = clock.after(checkMs, check)
      return Promise.resolve()
    },
    stop() {
      timer?.cancel()
      return Promise.resolve()
    },
  }
}

const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

/** A StatefulSet's pod, or one that mounts a volume which only one node may write. */
export function isUnique(
  pod: Pod,
  claimOf: (namespace: string, name: string) => PersistentVolumeClaim | undefined,
): boolean {
  if (pod.metadata.ownerReferences?.some((owner) => owner.controller && owner.kind === 'StatefulSet')) return true
  return (pod.spec?.volumes ?? []).some((volume) => {
    const name = volume.persistentVolumeClaim?.claimName
    const modes = name === undefined ? [] : (claimOf(pod.metadata.namespace ?? '', name)?.spec?.accessModes ?? [])
    return modes.includes('ReadWriteOnce') || modes.includes('ReadWriteOncePod')
  })
}
