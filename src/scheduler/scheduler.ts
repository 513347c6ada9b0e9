import type { Binding, Node, Pod, PodCondition } from '../api/kinds.ts'
import { isStatus } from '../api/status-error.ts'
import { type Client, refs } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Change, Informers } from '../client/informer.ts'
import type { Clock, Random, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { type ClusterCache, createClusterCache } from './cluster-cache.ts'
import { defaultProfile } from './default-profile.ts'
import { failureMessage, type Outcome, type Profile, schedule } from './framework/framework.ts'
import { SchedulingQueue } from './scheduling-queue.ts'

export interface SchedulerContext {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  random: Random
  logger: Logger
  profiles?: readonly Profile[]
}

/** Bindings that may be on their way to the decision log at once. */
const maxBindings = 64

/**
 * Gives every pod without a node one, while this node leads. Decisions are pure (framework/); this loop feeds them and
 * carries out their outcome. Resolves when the signal is aborted and no binding is under way.
 */
export async function runScheduler(context: SchedulerContext, signal: AbortSignal): Promise<void> {
  const profiles = new Map((context.profiles ?? [defaultProfile]).map((profile) => [profile.name, profile]))
  const { informers, clock } = context
  const cache = createClusterCache(informers)
  const queue = new SchedulingQueue()
  const bindings = new Set<Promise<void>>()
  let timer: Timer | undefined
  let isScheduled = false

  const wake = (): void => {
    if (isScheduled || signal.aborted) return
    isScheduled = true
    // A batch of changes is one round.
    timer?.cancel()
    timer = clock.after(0, round)
  }
  const round = (): void => {
    isScheduled = false
    if (signal.aborted) return
    while (bindings.size < maxBindings) {
      const pod = queue.pop(clock.monotonicMs())
      if (!pod) break
      attempt(pod)
    }
    const nextMs = bindings.size < maxBindings ? queue.nextInMs(clock.monotonicMs()) : undefined
    if (nextMs !== undefined && !isScheduled) timer = clock.after(Math.max(nextMs, 10), round)
  }
  const attempt = (pod: Pod): void => {
    const profile = profiles.get(pod.spec?.schedulerName ?? defaultProfile.name)!
    const snapshot = cache.snapshot()
    const outcome = schedule(pod, snapshot, profile, context.random.next())
    const task =
      outcome.node === undefined
        ? refuse(context, queue, pod, outcome, snapshot.nodes.length)
        : bind(context, cache, queue, pod, outcome.node)
    bindings.add(task)
    void task.finally(() => {
      bindings.delete(task)
      wake()
    })
  }

  const onPod = ({ object, previous }: Change<Pod>): void => {
    const pod = object ?? previous!
    if (
      !object ||
      object.metadata.deletionTimestamp ||
      object.spec?.nodeName ||
      isGated(object) ||
      !profiles.has(object.spec?.schedulerName ?? defaultProfile.name)
    )
      queue.remove(pod.metadata.uid!)
    else queue.upsert(object, clock.monotonicMs())
    if (object) cache.setPod(object)
    else cache.removePod(pod)
    // Room came free, or a pod that others want to be near is there now.
    if (!object || object.metadata.deletionTimestamp || (object.spec?.nodeName && !previous?.spec?.nodeName))
      queue.moveAll()
    wake()
  }
  const onNode = ({ object, name }: Change<Node>): void => {
    if (object) cache.setNode(object)
    else cache.removeNode(name)
    queue.moveAll()
    wake()
  }
  const stops = [informers.for<Node>(refs.nodes).onChange(onNode), informers.for<Pod>(refs.pods).onChange(onPod)]
  for (const node of informers.for<Node>(refs.nodes).list()) cache.setNode(node)
  for (const pod of informers.for<Pod>(refs.pods).list())
    onPod({ object: pod, previous: undefined, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name! })
  wake()
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  timer?.cancel()
  for (const stop of stops) stop()
  await Promise.allSettled(bindings)
}

const isGated = (pod: Pod): boolean => (pod.spec?.schedulingGates ?? []).length > 0

async function bind(
  context: SchedulerContext,
  cache: ClusterCache,
  queue: SchedulingQueue,
  pod: Pod,
  nodeName: string,
): Promise<void> {
  const { client, clock, events, logger } = context
  const { namespace, name, uid } = pod.metadata
  cache.assume(pod, nodeName)
  const binding: Binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { namespace, name, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
  }
  try {
    await client.create(refs.pods, binding, { subresource: 'binding' })
    queue.remove(uid!)
    events.event(
      { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      'Normal',
      'Scheduled',
      `Successfully assigned ${namespace}/${name} to ${nodeName}`,
    )
  } catch (error) {
    cache.forget(pod)
    if (isStatus(error, 'NotFound')) return queue.remove(uid!)
    logger.warn({ pod: `${namespace}/${name}`, node: nodeName, error: String(error) }, 'binding failed')
    queue.retry(uid!, clock.monotonicMs())
  }
}

async function refuse(
  context: SchedulerContext,
  queue: SchedulingQueue,
  pod: Pod,
  outcome: Outcome,
  nodeCount: number,
): Promise<void> {
  const { client, clock, events, logger } = context
  queue.unschedulable(pod.metadata.uid!, clock.monotonicMs())
  if (outcome.node !== undefined) return
  const message = failureMessage(
    nodeCount,
    [...outcome.refusals.values()].map(({ refusal }) => refusal),
  )
  const { namespace = '', name = '', uid } = pod.metadata
  events.event({ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }, 'Warning', 'FailedScheduling', message)
  const condition: PodCondition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
  try {
    await client.mutate<Pod>(
      refs.pods,
      namespace,
      name,
      (current) => withCondition(current, uid, condition, clock.nowMs()),
      { subresource: 'status' },
    )
  } catch (error) {
    if (!isStatus(error, 'NotFound'))
      logger.warn({ pod: `${namespace}/${name}`, error: String(error) }, 'condition not written')
  }
}

function withCondition(pod: Pod, uid: string | undefined, wanted: PodCondition, nowMs: number): Pod | undefined {
  const before = pod.status?.conditions?.find((condition) => condition.type === wanted.type)
  if (
    pod.metadata.uid !== uid ||
    pod.spec?.nodeName ||
    (before?.status === wanted.status && before.message === wanted.message)
  )
    return undefined
  const lastTransitionTime =
    before?.status === wanted.status
      ? before.lastTransitionTime
      : new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z')
  const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== wanted.type)
  return { ...pod, status: { ...pod.status, conditions: [...others, { ...wanted, lastTransitionTime }] } }
}
