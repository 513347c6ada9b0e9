import type { PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'

/**
 * How long a node goes on running pods that must be unique without a new lease (architecture §5). The majority
 * starts them elsewhere only after a minute (controllers' defaultFenceMs): this lease, the time that the pods get to
 * end, and the drift of two clocks fit into it.
 */
export const leaseMs = 25_000
/** Longest time that a fenced pod gets to end. */
const maxGraceMs = 15_000
/** What an agent that starts gives the pods that it finds running: how old the node's lease is, it does not know. */
const restartLeaseMs = 10_000
const checkMs = 1000

export interface FencingOptions {
  nodeName: string
  informers: Informers
  /** Monotonic ms from which this node's lease runs; −Infinity before the first. */
  leaseSinceMs(): number
  /** One node alone has nobody to fence itself from. */
  isAlone(): boolean
  fail(podUid: string, failure: { reason: string; message: string }, graceMs: number): void
  clock: Clock
  logger: Logger
}

/** Stops this node's unique pods once its lease is over; monotonic time, so a set clock changes nothing. */
export interface Fencing extends Service {
  /**
   * Whether the pod may be started here: one that must be unique may not as long as there is no lease, for the replica may
   * not know yet that it runs elsewhere by now.
   */
  mayStart(pod: Pod): boolean
}

export function createFencing(options: FencingOptions): Fencing {
  const { nodeName, informers, clock, logger } = options
  const pods = informers.for<Pod>(refs.pods)
  const claims = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  let startedMs = clock.monotonicMs()
  let timer: Timer | undefined
  let isFenced = false

  const isUniqueHere = (pod: Pod): boolean => isUnique(pod, (namespace, name) => claims.get(namespace, name))

  const check = (): void => {
    timer = clock.after(checkMs, check)
    const foundMs = startedMs - (leaseMs - restartLeaseMs)
    const silentMs = clock.monotonicMs() - Math.max(foundMs, options.leaseSinceMs())
    if (silentMs < leaseMs || options.isAlone()) {
      isFenced = false
      return
    }
    const unique = pods.list().filter((pod) => pod.spec?.nodeName === nodeName && !isFinished(pod) && isUniqueHere(pod))
    if (!isFenced && unique.length > 0)
      logger.warn({ pods: unique.length, silentMs }, 'the lease is over: pods that must be unique are stopped')
    isFenced = true
    const message = `The node has had no lease from the leader for ${leaseMs / 1000} s; the pod may be started elsewhere.`
    // Counted from the end of the lease, which may be long over after a pause of the whole machine.
    const leftMs = Math.max(0, leaseMs + maxGraceMs - silentMs)
    for (const pod of unique) {
      const graceMs = Math.min((pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000, leftMs)
      options.fail(pod.metadata.uid!, { reason: 'Fenced', message }, graceMs)
    }
  }

  return {
    mayStart(pod) {
      if (options.isAlone() || clock.monotonicMs() - options.leaseSinceMs() < leaseMs) return true
      return !isUniqueHere(pod)
    },
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
