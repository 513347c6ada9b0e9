import type { Pod } from '../api/kinds.ts'
import { isStatus } from '../api/status-error.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { watchCluster } from './cluster-watch.ts'
import { createDeadlineWatch } from './deadline-watch.ts'
import { defaultProfile } from './default-profile.ts'
import { createCluster } from './framework/cluster.ts'
import { failureMessage, noNodesMessage } from './framework/failure-message.ts'
import type { Pressure, Profile } from './framework/framework.ts'
import { podInfoOf } from './framework/pod-info.ts'
import { preempt } from './framework/preemption.ts'
import { type Diagnosis, schedule } from './framework/schedule.ts'
import { volumeDecision } from './plugins/volume-binding.ts'
import { gatedCondition, isDone, isGated, podKey, podReference, unschedulableCondition } from './pod-status.ts'
import { bindPod, bindVolumes, evictVictims, writeStatus } from './pod-writer.ts'
import { createSchedulingQueue } from './scheduling-queue.ts'
import { createSurroundings } from './surroundings.ts'

export interface SchedulerContext {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  random: Random
  logger: Logger
  /** One each `schedulerName` that is served; the default one when absent. */
  profiles?: readonly Profile[]
  pressures?: MeasuredPressure
  /** Told how long each attempt took, in milliseconds, until its outcome was known. */
  onAttempt?: (durationMs: number) => void
}

export interface MeasuredPressure {
  /** What a pod was measured to strain; its annotation `stormo.dev/pressure-profile` is taken where this is undefined. */
  of(pod: Pod): Pressure | undefined
  /** Calls back when that changed; returns the way to stop. */
  onChange(handler: () => void): () => void
}

/** Writes that may be on their way at once. */
const maxWrites = 64
/** Pods that may wait for their volumes at once. */
const maxVolumeWaits = 1024
/** Attempts in one go, so that everything else on this thread gets its turn. */
const roundMs = 20

/**
 * Gives every pod without a node one, while this node leads. Decisions are pure (framework/, plugins/); this loop feeds
 * them and carries out their outcome. Resolves when the signal is aborted and no write is under way.
 */
export async function runScheduler(context: SchedulerContext, signal: AbortSignal): Promise<void> {
  const { informers, clock, events, logger } = context
  const profiles = new Map((context.profiles ?? [defaultProfile]).map((profile) => [profile.name, profile]))
  const profileOf = (pod: Pod): Profile | undefined => profiles.get(pod.spec?.schedulerName || defaultProfile.name)
  const surroundings = createSurroundings(informers, context.pressures?.of)
  const cluster = createCluster(surroundings)
  const deadlines = createDeadlineWatch(clock, events)
  const filters = new Map([...profiles.values()].flatMap((one) => one.filters).map((filter) => [filter.name, filter]))
  const queue = createSchedulingQueue((info, plugin, event) => filters.get(plugin)?.mayHelp(info, event) ?? true)
  const writes = new Set<Promise<void>>()
  const volumeWaits = new Set<Promise<void>>()
  const assumed = new Set<string>()
  const starts = new Map<string, number>()
  let timer: Timer | undefined
  let timerMs = Infinity

  const wakeIn = (delayMs: number): void => {
    const atMs = clock.monotonicMs() + delayMs
    if (signal.aborted || atMs >= timerMs) return
    timer?.cancel()
    timerMs = atMs
    timer = clock.after(delayMs, round)
  }
  const hasRoom = (): boolean => writes.size < maxWrites && volumeWaits.size < maxVolumeWaits
  const round = (): void => {
    timerMs = Infinity
    const startMs = clock.monotonicMs()
    while (!signal.aborted && hasRoom() && clock.monotonicMs() - startMs < roundMs) {
      const pod = queue.pop(clock.monotonicMs())
      if (!pod) break
      const beforeMs = clock.monotonicMs()
      attempt(pod)
      context.onAttempt?.(clock.monotonicMs() - beforeMs)
    }
    const nextMs = hasRoom() ? queue.nextInMs(clock.monotonicMs()) : undefined
    if (nextMs !== undefined) wakeIn(nextMs)
  }
  const track = (set: Set<Promise<void>>, work: Promise<void>): void => {
    const task = work
      .catch((error: unknown) => logger.error({ error: String(error) }, 'scheduling failed'))
      .finally(() => {
        set.delete(task)
        wakeIn(0)
      })
    set.add(task)
  }

  const attempt = (pod: Pod): void => {
    const profile = profileOf(pod)
    if (!profile) return queue.remove(pod.metadata.uid!)
    const info = podInfoOf(pod)
    const outcome = schedule(info, cluster, profile, {
      start: starts.get(profile.name) ?? 0,
      chance: context.random.next(),
      nominatedNode: cluster.nominationOf(info.uid) ?? pod.status?.nominatedNodeName,
    })
    starts.set(profile.name, outcome.nextStart)
    if (!outcome.node) return fail(pod, profile, outcome.diagnosis)
    const nodeName = outcome.node.name
    const decision = volumeDecision(info, outcome.node.node, cluster)
    cluster.place(pod, nodeName)
    assumed.add(info.uid)
    const prepared = decision && bindVolumes(context, surroundings, decision, nodeName, signal)
    track(prepared ? volumeWaits : writes, carryOut(pod, nodeName, prepared))
  }

  const carryOut = async (pod: Pod, nodeName: string, prepared: Promise<void> | undefined): Promise<void> => {
    const { uid = '' } = pod.metadata
    try {
      await prepared
      await bindPod(context, pod, nodeName)
      queue.remove(uid)
      deadlines.ends(uid)
    } catch (error) {
      assumed.delete(uid)
      // The binding may have been written all the same; then the pod's own state says where it counts.
      if (cluster.nodeOf(uid) !== undefined && queue.has(uid)) {
        cluster.remove(uid)
        queue.move({ kind: 'pod-removed', pod: podInfoOf(pod) }, clock.monotonicMs())
      }
      if (isStatus(error, 'NotFound')) return queue.remove(uid)
      if (!signal.aborted)
        logger.warn({ pod: podKey(pod), node: nodeName, error: String(error) }, 'the pod was not bound')
      queue.retry(uid, clock.monotonicMs())
    }
  }

  const fail = (pod: Pod, profile: Profile, diagnosis: Diagnosis): void => {
    const info = podInfoOf(pod)
    const result =
      profile.preemption && diagnosis.nodeCount > 0
        ? preempt(info, cluster, profile, diagnosis, context.random.next())
        : undefined
    const said = result && !result.candidate ? result.message : ''
    const message = diagnosis.nodeCount === 0 ? noNodesMessage : failureMessage(diagnosis, said)
    events.event(podReference(pod), 'Warning', 'FailedScheduling', message)
    const condition = unschedulableCondition(message)
    if (!result?.candidate) {
      const clear = result?.clearNomination === true
      if (clear) cluster.forgetNomination(info.uid)
      queue.unschedulable(info.uid, diagnosis.plugins, clock.monotonicMs())
      return track(writes, writeStatus(context, pod, { condition, ...(clear ? { nominatedNodeName: '' } : {}) }))
    }
    const { node, victims } = result.candidate
    // Room that pods of lower priority were promised there is no longer theirs.
    for (const other of cluster.nominated(node.name)) {
      if (other.priority >= info.priority) continue
      cluster.forgetNomination(other.uid)
      track(writes, writeStatus(context, other.pod, { nominatedNodeName: '' }))
    }
    cluster.nominate(pod, node.name)
    const evict = async (): Promise<void> => {
      await writeStatus(context, pod, { condition, nominatedNodeName: node.name })
      await evictVictims(context, pod, profile.name, node.name, victims)
      // Tried again once back-off is over, whether or not the victims' end was seen in the meantime.
      queue.retry(info.uid, clock.monotonicMs())
    }
    track(writes, evict())
  }

  const onPod = (pod: Pod, isGone: boolean): void => {
    const { uid = '', deletionTimestamp } = pod.metadata
    const isWaiting =
      !isGone && !deletionTimestamp && !pod.spec?.nodeName && !isDone(pod) && profileOf(pod) !== undefined
    if (!isWaiting) {
      assumed.delete(uid)
      queue.remove(uid)
      deadlines.ends(uid)
      if (deletionTimestamp) cluster.forgetNomination(uid)
      return
    }
    // Bound, but not seen to be yet.
    if (assumed.has(uid) && !queue.has(uid)) return
    deadlines.waits(pod)
    if (isGated(pod)) {
      queue.remove(uid)
      track(writes, writeStatus(context, pod, { condition: gatedCondition }))
      return
    }
    const promised = pod.status?.nominatedNodeName
    // Promised by an earlier leader.
    if (promised && !queue.has(uid) && cluster.nominationOf(uid) === undefined) cluster.nominate(pod, promised)
    queue.upsert(pod, clock.monotonicMs())
    wakeIn(0)
  }

  const stop = watchCluster(informers, cluster, {
    onPod,
    onEvent(event) {
      if (queue.move(event, clock.monotonicMs()) > 0) wakeIn(0)
    },
    isAssumed: (uid) => assumed.has(uid),
  })
  const stopMeasuring = context.pressures?.onChange(cluster.pressuresChanged)
  wakeIn(0)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  timer?.cancel()
  stop()
  stopMeasuring?.()
  deadlines.stop()
  surroundings.stop()
  await Promise.allSettled([...writes, ...volumeWaits])
}
