import { groupResourceName, type KubeObject } from '../api/object.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Controller, View, Watch } from './controller.ts'
import { execute } from './executor.ts'
import { indexedView } from './indexed-view.ts'
import { createWorkQueue } from './workqueue.ts'

export interface RunnerContext {
  client: Client
  informers: Informers
  clock: Clock
  /** By the component that the events name as their source. */
  events: (component: string) => EventRecorder
  logger: Logger
}

/** Keys of one controller that are worked on at once. */
const concurrency = 4
const baseDelayMs = 100
const maxDelayMs = 60_000
/** Every key is looked at again this often, in case a change was missed by a bug of ours. */
const resyncMs = 10 * 60_000
/** A plan that asks to be made again at once is made no more often than this. */
const minRequeueMs = 50

/** Where upstream's events name another source than the controller's name and `-controller`. */
const otherSources: Readonly<Record<string, string>> = {
  'attach-detach': 'attachdetach-controller',
  disruption: 'controllermanager',
  'ephemeral-volume': 'ephemeral_volume',
  horizontalpodautoscaler: 'horizontal-pod-autoscaler',
  'node-lifecycle': 'node-controller',
  'persistentvolume-binder': 'persistentvolume-controller',
  replicationcontroller: 'replication-controller',
  route: 'route_controller',
  'service-lb': 'service-controller',
}
const eventSource = (controller: string): string => otherSources[controller] ?? `${controller}-controller`

/** Runs control loops until the signal is aborted (the leadership is over); resolves when nothing of them runs. */
export async function runControllers(
  controllers: readonly Controller[],
  context: RunnerContext,
  signal: AbortSignal,
): Promise<void> {
  const view = indexedView(context.informers)
  try {
    await Promise.all(controllers.map((controller) => runController(controller, context, view, signal)))
  } finally {
    view.close()
  }
}

async function runController(
  controller: Controller,
  context: RunnerContext,
  view: View,
  signal: AbortSignal,
): Promise<void> {
  const { client, informers, clock } = context
  const events = context.events(eventSource(controller.name))
  const logger = context.logger.child({ controller: controller.name })
  const queue = createWorkQueue({
    clock,
    concurrency,
    baseDelayMs,
    maxDelayMs,
    async work(key) {
      signal.throwIfAborted()
      const plan = controller.plan(key, view, clock.nowMs())
      if (plan.actions.length > 0) logger.debug({ key, actions: plan.actions.length })
      await execute(plan.actions, client, events, signal)
      if (plan.requeueAfterMs !== undefined) queue.addAfter(key, Math.max(plan.requeueAfterMs, minRequeueMs))
    },
    onError(key, error) {
      if (!signal.aborted)
        logger.warn({ key, error: error instanceof Error ? error.message : String(error) }, 'reconcile failed')
    },
  })
  const watch = ({ ref, keysOf }: Watch): (() => void) =>
    informers.for<KubeObject>(ref).onChange((change) => {
      const { object, previous } = change
      // Another object of the same name: the end of the one before was not seen by itself.
      const isReplaced = object && previous && object.metadata.uid !== previous.metadata.uid
      const changes = isReplaced
        ? [
            { ...change, object: undefined },
            { ...change, previous: undefined },
          ]
        : [change]
      for (const one of changes) for (const key of keysOf(one, view)) queue.add(key)
    })
  const stops = controller.watches.map(watch)
  const { changingWatches } = controller
  if (changingWatches) stops.push(followWatches(changingWatches, watch, () => addAll()))
  if (controller.triggers) stops.push(controller.triggers((key) => queue.add(key)))
  const addAll = (): void => {
    for (const key of controller.keys(view)) queue.add(key)
  }
  const resync = (): void => {
    if (signal.aborted) return
    addAll()
    timer = clock.after(resyncMs, resync)
  }
  let timer = clock.after(0, resync)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  timer.cancel()
  for (const stop of stops) stop()
  await queue.stop()
}

/** Keeps one subscription a watched resource, while resources come and go. */
function followWatches(
  source: NonNullable<Controller['changingWatches']>,
  watch: (one: Watch) => () => void,
  onGrown: () => void,
): () => void {
  const watched = new Map<string, () => void>()
  const sync = (): boolean => {
    const wanted = new Map(source.current().map((one) => [groupResourceName(one.ref), one]))
    for (const [name, stop] of watched) {
      if (wanted.has(name)) continue
      stop()
      watched.delete(name)
    }
    let isGrown = false
    for (const [name, one] of wanted) {
      if (watched.has(name)) continue
      watched.set(name, watch(one))
      isGrown = true
    }
    return isGrown
  }
  sync()
  const unfollow = source.onChange(() => {
    if (sync()) onGrown()
  })
  return () => {
    unfollow()
    for (const stop of watched.values()) stop()
  }
}
