import type { KubeObject } from '../api/object.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Controller, View } from './controller.ts'
import { execute } from './executor.ts'
import { createWorkQueue } from './workqueue.ts'

export interface RunnerContext {
  client: Client
  informers: Informers
  clock: Clock
  events: EventRecorder
  logger: Logger
}

const concurrency = 4
const baseDelayMs = 100
const maxDelayMs = 60_000
/** Every key is looked at again this often, in case a change was missed by a bug of ours. */
const resyncMs = 10 * 60_000

/** The view that informers give. */
export function viewOf(informers: Informers): View {
  return {
    get: (ref, namespace, name) => informers.for<never>(ref).get(namespace, name),
    list: (ref, namespace) => informers.for<never>(ref).list(namespace),
  }
}

/** Runs control loops until the signal is aborted (the leadership is over); resolves when nothing of them runs. */
export async function runControllers(
  controllers: readonly Controller[],
  context: RunnerContext,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(controllers.map((controller) => runController(controller, context, signal)))
}

async function runController(controller: Controller, context: RunnerContext, signal: AbortSignal): Promise<void> {
  const { client, informers, clock, events } = context
  const logger = context.logger.child({ controller: controller.name })
  const view = viewOf(informers)
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
      if (plan.requeueAfterMs !== undefined) queue.addAfter(key, Math.max(plan.requeueAfterMs, 50))
    },
    onError(key, error) {
      if (!signal.aborted)
        logger.warn({ key, error: error instanceof Error ? error.message : String(error) }, 'reconcile failed')
    },
  })
  const unsubscribe = controller.watches.map(({ ref, keysOf }) =>
    informers.for<KubeObject>(ref).onChange((change) => {
      for (const key of keysOf(change, view)) queue.add(key)
    }),
  )
  const resync = (): void => {
    if (signal.aborted) return
    for (const key of controller.keys(view)) queue.add(key)
    timer = clock.after(resyncMs, resync)
  }
  let timer = clock.after(0, resync)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  timer.cancel()
  for (const stop of unsubscribe) stop()
  await queue.stop()
}
