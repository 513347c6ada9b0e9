import type { Pod } from '../../api/kinds.ts'
import { underSignals } from '../../lib/under-signals.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf, type AnyContainer } from '../core/pod-view.ts'
import { runHook } from './lifecycle-hook.ts'
import { say, type PodContext } from './pod-context.ts'

/** A stop signal is always followed by at least this long, whatever preStop has taken (upstream minimumGracePeriodInSeconds). */
const minGraceMs = 2_000

/** Ends one container: preStop within the grace period, the stop signal with what is left of it, SIGKILL. */
export async function killContainer(
  context: PodContext,
  pod: Pod,
  instance: RuntimeContainer,
  graceMs: number,
  message: string,
): Promise<void> {
  const { options, observer } = context
  const { clock, runtime } = options
  const found = containersOf(pod.spec ?? { containers: [] }).find(({ container }) => container.name === instance.name)
  say(context, pod, 'Normal', 'Killing', message, instance.name)
  const startedMs = clock.monotonicMs()
  if (found?.container.lifecycle?.preStop && graceMs > 0) {
    await preStop(context, pod, found.container, instance, graceMs)
  }
  const leftMs = graceMs - (clock.monotonicMs() - startedMs)
  await runtime.stop(instance.id, graceMs === 0 ? 0 : Math.max(Math.min(minGraceMs, graceMs), leftMs))
  await observer.refresh(instance.id)
}

async function preStop(
  context: PodContext,
  pod: Pod,
  container: AnyContainer,
  instance: RuntimeContainer,
  graceMs: number,
): Promise<void> {
  const { clock, runtime, nodeIp } = context.options
  const host = context.podIps.get(pod.metadata.uid ?? '') ?? nodeIp
  const handler = container.lifecycle?.preStop
  if (!handler) return
  const over = new AbortController()
  const ended = new AbortController()
  const done = new AbortController()
  const timer = clock.after(graceMs, () => over.abort())
  // A hook of a container that has ended by itself is not waited for: there is nothing to prepare any more.
  void context.observer.ended(instance.id, done.signal).then(() => ended.abort())
  try {
    const target = { runtime, clock, container, containerId: instance.id, host }
    await underSignals([over.signal, ended.signal], (signal) => runHook(handler, target, signal))
  } catch (error) {
    if (ended.signal.aborted) return
    const message = over.signal.aborted
      ? `PreStopHook not completed in grace period (${graceMs / 1000}s)`
      : `PreStopHook failed: ${(error as Error).message}`
    say(context, pod, 'Warning', 'FailedPreStopHook', message, container.name)
  } finally {
    timer.cancel()
    done.abort()
  }
}

/** Ends all containers of a pod: first the others, then sidecars in reverse order (KEP-753); then the sandbox and its network. */
export async function stopPod(context: PodContext, pod: Pod, graceMs: number): Promise<void> {
  const { clock, runtime, podNetwork } = context.options
  const uid = pod.metadata.uid ?? ''
  const deadlineMs = clock.monotonicMs() + graceMs
  const running = (): RuntimeContainer[] =>
    context.observer.of(uid).filter((one) => one.role === 'container' && one.state === 'running')
  const order = containersOf(pod.spec ?? { containers: [] })
  const sidecars = order.filter(({ kind }) => kind === 'sidecar').map(({ container }) => container.name)
  const kill = (instance: RuntimeContainer): Promise<void> => {
    const leftMs = graceMs === 0 ? 0 : Math.max(minGraceMs, deadlineMs - clock.monotonicMs())
    return killContainer(context, pod, instance, leftMs, `Stopping container ${instance.name}`)
  }
  await Promise.all(
    running()
      .filter((one) => !sidecars.includes(one.name))
      .map(kill),
  )
  for (const name of sidecars.toReversed()) {
    await Promise.all(
      running()
        .filter((one) => one.name === name)
        .map(kill),
    )
  }
  await podNetwork.detach(uid)
  context.podIps.delete(uid)
  for (const sandbox of context.observer.of(uid).filter((one) => one.role === 'sandbox')) {
    await runtime.remove(sandbox.id)
    await context.observer.refresh(sandbox.id)
  }
}
