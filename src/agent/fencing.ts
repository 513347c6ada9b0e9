import type { PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { FenceProcess } from './fence-process.ts'

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
/**
 * How long after its lease began a node's unique containers are killed from outside, where this process could not stop
 * them: it is dead or hangs, or the container runtime does. After they had their time to end, and well before the majority
 * may start them elsewhere.
 */
const killAfterMs = leaseMs + maxGraceMs + 5_000
/** How much the time that is left may have grown before that is told: the leader's own lease grows all the time. */
const feedMs = 5_000
/** How soon a container that was started is observed at the latest. */
const observedMs = 60_000

export interface FencingOptions {
  nodeName: string
  informers: Informers
  /** Monotonic ms from which this node's lease runs; −Infinity before the first. */
  leaseSinceMs(): number
  /** One node alone has nobody to fence itself from. */
  isAlone(): boolean
  fail(podUid: string, failure: { reason: string; message: string }, graceMs: number): void
  /** Ids of this node's containers that have not ended, with their pods' uids; undefined until they are known. */
  containers?(): ReadonlyMap<string, string> | undefined
  /** Without it unique containers go on for as long as this process is dead. */
  fenceProcess?: FenceProcess
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
  /** To be awaited before a container of the pod starts. Throws when it must not. */
  beforeStart(pod: Pod, containerId: string): Promise<void>
}

export function createFencing(options: FencingOptions): Fencing {
  const { nodeName, informers, clock, logger } = options
  const pods = informers.for<Pod>(refs.pods)
  const claims = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  const killer = createKiller(options)
  let startedMs = clock.monotonicMs()
  let timer: Timer | undefined
  let isFenced = false

  const isUniqueHere = (pod: Pod): boolean => isUnique(pod, (namespace, name) => claims.get(namespace, name))
  const uniquePods = (): Pod[] =>
    pods.list().filter((pod) => pod.spec?.nodeName === nodeName && !isFinished(pod) && isUniqueHere(pod))
  const hasLease = (): boolean => options.isAlone() || clock.monotonicMs() - options.leaseSinceMs() < leaseMs
  /** When the lease began, or may have for all that is known. */
  const sinceMs = (): number => Math.max(startedMs - (leaseMs - restartLeaseMs), options.leaseSinceMs())

  const check = (): void => {
    timer = clock.after(checkMs, check)
    killer.look(sinceMs(), uniquePods)
    const silentMs = clock.monotonicMs() - sinceMs()
    if (silentMs < leaseMs || options.isAlone()) {
      isFenced = false
      return
    }
    const unique = uniquePods()
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
    mayStart: (pod) => hasLease() || !isUniqueHere(pod),
    async beforeStart(pod, containerId) {
      if (!isUniqueHere(pod)) return
      if (!hasLease()) throw new Error('the node has no lease, under which alone the pod may run')
      await killer.add(containerId, sinceMs())
    },
    async start() {
      startedMs = clock.monotonicMs()
      await killer.takeOver()
      timer = clock.after(checkMs, check)
    },
    stop() {
      timer?.cancel()
      return Promise.resolve()
    },
  }
}

/** What the process that outlives this one is told, and when. */
function createKiller({ fenceProcess, containers, isAlone, leaseSinceMs, clock, logger }: FencingOptions) {
  /** Containers that are killed with the end of the lease, and when they became known. */
  const listed = new Map<string, number>()
  /** Time at which those are killed that an earlier agent left, as long as no lease was given to this one. */
  let inheritedAtMs = Infinity
  let told: { ids: string; atMs: number; done: Promise<void> } | undefined
  let isFailing = false

  function tell(sinceMs: number): Promise<void> {
    if (fenceProcess === undefined) return Promise.resolve()
    const atMs = Math.min(sinceMs + killAfterMs, leaseSinceMs() === -Infinity ? inheritedAtMs : Infinity)
    const containerIds = isAlone() ? [] : [...listed.keys()]
    const ids = containerIds.join(' ')
    if (told?.ids === ids && (ids === '' || Math.abs(atMs - told.atMs) < feedMs)) return told.done
    const done = fenceProcess.feed({ containerIds, leftMs: atMs - clock.monotonicMs() })
    const mine = (told = { ids, atMs, done })
    done.then(
      () => (isFailing = false),
      (error: unknown) => {
        if (told === mine) told = undefined
        if (!isFailing) logger.error({ error: String(error) }, 'pods that must be unique may outlive the agent')
        isFailing = true
      },
    )
    return done
  }

  return {
    async takeOver(): Promise<void> {
      const left = await fenceProcess?.takeOver()
      const nowMs = clock.monotonicMs()
      for (const id of left?.containerIds ?? []) listed.set(id, nowMs)
      if (left !== undefined) inheritedAtMs = nowMs + left.leftMs
    },
    add(containerId: string, sinceMs: number): Promise<void> {
      listed.set(containerId, clock.monotonicMs())
      return tell(sinceMs)
    },
    look(sinceMs: number, uniquePods: () => readonly Pod[]): void {
      const live = containers?.()
      if (live === undefined) return
      const nowMs = clock.monotonicMs()
      // One stays listed until it has ended, whatever becomes of its pod's object.
      for (const [id, atMs] of listed) if (!live.has(id) && nowMs - atMs > observedMs) listed.delete(id)
      const uids = new Set(uniquePods().map(({ metadata }) => metadata.uid))
      for (const [id, uid] of live) if (uids.has(uid) && !listed.has(id)) listed.set(id, nowMs)
      // What went wrong was told; the next look tries again.
      tell(sinceMs).catch(() => undefined)
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
