import type { Pod } from '../../api/kinds.ts'
import { underSignals } from '../../lib/under-signals.ts'
import { RuntimeError, type RuntimeContainer } from '../../runtime/runtime.ts'
import { instancesOf } from '../core/pod-view.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { createContainer, imageWanted, StartError, type StartAction } from './container-creator.ts'
import { runHook } from './lifecycle-hook.ts'
import { downwardFacts, say, type PodContext } from './pod-context.ts'

/** Longest that a postStart hook may take before its container is given up. */
const postStartTimeoutMs = 30 * 60_000

export interface StartInput {
  readonly pod: Pod
  readonly action: StartAction
  readonly mounted: ReadonlyMap<string, MountedVolume>
  readonly observed: readonly RuntimeContainer[]
  /** Id of the container when it has been created while its sandbox started. */
  readonly prepared: string | undefined
}

/** Brings one container to run. Throws ImageError, {@link StartError}, or what the runtime throws when it is unreachable. */
export async function startContainer(context: PodContext, input: StartInput, signal: AbortSignal): Promise<void> {
  const { observer } = context
  const { runtime, beforeStart } = context.options
  const { pod, action, mounted, observed, prepared } = input
  const { container } = action
  const image = prepared === undefined ? await ensureImage(context, pod, action, signal) : undefined
  const started = await context.limit(async () => {
    await removeOld(context, observed, container.name)
    const created = image === undefined ? prepared : await createContainer(context, pod, action, mounted, image, signal)
    const id = created ?? ''
    try {
      await beforeStart?.(pod, id)
      // Not aborted half-way: the container must be seen as it is afterwards.
      return await runtime.start(id)
    } catch (error) {
      const failedId = (error instanceof RuntimeError && error.containerId) || id
      await observer.refresh(failedId).catch(() => undefined)
      say(context, pod, 'Warning', 'Failed', `Error: ${(error as Error).message}`, container.name)
      throw new StartError('RunContainerError', error as Error)
    }
  })
  say(context, pod, 'Normal', 'Started', `Started container ${container.name}`, container.name)
  await observer.refresh(started.id)
  await postStart(context, pod, action, started.id, signal)
}

const ensureImage = (context: PodContext, pod: Pod, { container }: StartAction, signal: AbortSignal) =>
  context.puller.ensure(imageWanted(context, pod, container), signal)

/** Of ended instances only the newest is kept, for `logs --previous` and lastState. */
async function removeOld(context: PodContext, observed: readonly RuntimeContainer[], name: string): Promise<void> {
  const [, ...older] = instancesOf({ observed }, name)
  for (const instance of older) {
    if (instance.state === 'running') continue
    await context.options.runtime.remove(instance.id)
    await context.observer.refresh(instance.id)
  }
}

async function postStart(
  context: PodContext,
  pod: Pod,
  { container }: StartAction,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const handler = container.lifecycle?.postStart
  if (!handler) return
  const { runtime, clock } = context.options
  const host = downwardFacts(context, pod).podIp ?? context.options.nodeIp
  try {
    const target = { runtime, clock, container, containerId, host }
    await underSignals([signal], (limited) => runHook(handler, target, limited), postStartTimeoutMs)
  } catch (error) {
    if (signal.aborted) throw error
    const message = `PostStartHook failed: ${(error as Error).message}`
    say(context, pod, 'Warning', 'FailedPostStartHook', message, container.name)
    say(context, pod, 'Normal', 'Killing', 'FailedPostStartHook', container.name)
    await runtime.stop(containerId, (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000)
    await context.observer.refresh(containerId)
    throw new StartError('PostStartHookError', new Error(message))
  }
}
