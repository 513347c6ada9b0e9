import type { Pod } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import { decide, type Action } from '../core/decide.ts'
import { activeDeadlineMs, isSooner, podGraceMs, wantedStop } from '../core/pod-end.ts'
import { podStatus } from '../core/pod-status.ts'
import {
  containersOf,
  isTerminalPhase,
  newestSandbox,
  type CrashBackoff,
  type PodStop,
  type PodView,
  type ResizeRefusal,
  type StartFailure,
} from '../core/pod-view.ts'
import { RuntimeError } from '../../runtime/runtime.ts'
import { createProber } from '../probes/prober.ts'
import { createAdmission, rejectedStatus } from './admission.ts'
import { type CreateAction, type StartAction } from './container-creator.ts'
import { createPreparer } from './container-preparer.ts'
import { startContainer } from './container-starter.ts'
import { say, type PodContext, secondPodIp } from './pod-context.ts'
import { createPodLoop } from './pod-loop.ts'
import { createPodMounter } from './pod-mounter.ts'
import { killContainer, stopPod } from './pod-stopper.ts'
import { createStartAttempts } from './start-attempts.ts'
import { createStatusWriter } from './status-writer.ts'
import { createResizer } from './resizer.ts'
import { startSandbox } from './sandbox-starter.ts'
import { terminationMessage } from './termination-message.ts'

/** A resize that waits for room is tried again this often. */
const resizeRetryMs = 5_000

/** Drives one pod, from its first sight to its last trace. */
export interface PodWorker {
  /** Look again: something may have changed. */
  wake(): void
  /** Look again, and try what had failed for the want of a ConfigMap, Secret or claim. */
  wakeForSources(): void
  /** The pod, while this node has taken it and it has not ended. */
  held(): Pod | undefined
  /** Ends the pod for a cause of the node: Evicted, NodeShutdown. */
  fail(failure: StartFailure, graceMs: number): void
  /** Lets go; containers run on. */
  stop(): Promise<void>
}

export interface PodWorkerOptions {
  readonly context: PodContext
  /** The pod as first seen. */
  readonly pod: Pod
  /** The pod as it is now; undefined once it is gone. */
  readonly current: () => Pod | undefined
  /** Why this node does not take the pod; asked before anything of it is made. */
  readonly refusal: (pod: Pod) => StartFailure | undefined
  /** Why this node does not grant what the pod asks for since it was taken. */
  readonly resizeRefusal: (pod: Pod, granted: Pod) => ResizeRefusal | undefined
  /** Everything of the pod has been removed. */
  readonly onDone: () => void
}

export function createPodWorker(workerOptions: PodWorkerOptions): PodWorker {
  const { context, pod: firstPod, current, onDone } = workerOptions
  const { options, observer } = context
  const { clock, client } = options
  const uid = firstPod.metadata.uid ?? ''
  const logger = options.logger.child({ pod: `${firstPod.metadata.namespace}/${firstPod.metadata.name}`, uid })
  const startedAtMs = clock.nowMs()
  const attempts = createStartAttempts()
  const resizer = createResizer(context, workerOptions.resizeRefusal)
  const admission = createAdmission(workerOptions.refusal, clock)
  const statusWriter = createStatusWriter(client, clock)
  const crashes = new Map<string, CrashBackoff>()
  const messages = new Map<string, string>()
  /** Its work is named by what it touches: `start`, `sandbox`, `stop`, or a container's id. */
  const loop = createPodLoop({ clock, logger, attempts, sync })
  const starting = new AbortController()
  const mounter = createPodMounter({ context, attempts, wake: loop.wake, signal: starting.signal })
  const preparer = createPreparer(context, starting.signal)
  let pod = firstPod
  let gone = false
  let stop: PodStop | undefined

  const prober = createProber({
    runtime: options.runtime,
    clock,
    onChange: loop.wake,
    say: (container, reason, message) => say(context, pod, 'Warning', reason, message, container.name),
  })

  const view = (): PodView => ({
    pod,
    observed: observer.of(uid),
    podIp: context.podIps.get(uid),
    secondPodIp: secondPodIp(context, uid),
    hostIp: options.nodeIp,
    failures: attempts.failures,
    probes: prober.results,
    crashes,
    stop,
    terminationMessages: messages,
    startedAtMs,
    resourcesInForce: resizer.inForce,
    resize: resizer,
  })

  /** One look at the pod: what it should be, what it is, what to do, what to report. */
  async function sync(): Promise<void> {
    if (observer.pods() === undefined) return
    refreshPod()
    if (!admit()) return loop.recheck(admission.waitMs)
    await claimDevices()
    await readTerminationMessages()
    if (stop === undefined && !isTerminalPhase(pod.status?.phase)) await mounter.look(pod)
    const now = clock.nowMs()
    const { actions, recheckAtMs } = decide(view(), now)
    for (const action of actions) if (action.do === 'wait') waitFor(action.name, action.failure)
    for (const { container } of containersOf(pod.spec ?? { containers: [] })) {
      const running = view().observed.some((one) => one.name === container.name && one.state === 'running')
      if (running) attempts.succeeded(container.name)
    }
    act(actions)
    probe()
    if (stop === undefined) await resizer.actuate(pod, observer.of(uid)).catch(loop.retryLater)
    await report()
    if (stop?.finished && loop.isIdle) await finish()
    const resizeAtMs = resizer.refusal?.reason === 'Deferred' ? now + resizeRetryMs : undefined
    const waits = [recheckAtMs, activeDeadlineMs(pod), resizeAtMs, ...attempts.nextAtMs()].filter(
      (one) => one !== undefined && one > now,
    )
    if (waits.length > 0) loop.recheck(Math.min(...(waits as number[])) - now)
  }

  function waitFor(name: string, failure: StartFailure): void {
    if (!attempts.explain(name, failure)) return
    const where = `${pod.metadata.name}_${pod.metadata.namespace}(${uid})`
    say(context, pod, 'Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${where}`, name)
  }

  function refreshPod(): void {
    const latest = current()
    gone = latest === undefined
    if (latest !== undefined)
      pod = resizer.allocate(latest, admission.isTaken() || latest.status?.startTime !== undefined)
    const now = clock.nowMs()
    const wanted = wantedStop(pod, gone, stop, now)
    if (wanted === undefined || !isSooner(wanted, stop, now)) return
    if (stop === undefined && wanted.failure !== undefined) {
      say(context, pod, 'Normal', wanted.failure.reason, wanted.failure.message)
    }
    const isHastened = stop !== undefined && loop.isDoing('stop')
    stop = { ...wanted, finished: stop?.finished ?? false }
    starting.abort()
    // A shorter grace period counts at once for what is being ended.
    if (isHastened) hurry(stop.graceMs)
  }

  /** False while it is not known whether the pod may run here. */
  function admit(): boolean {
    if (stop !== undefined || isTerminalPhase(pod.status?.phase)) return true
    const isRunning = observer.of(uid).some(({ state }) => state === 'running')
    if (!isRunning && options.mayStart?.(pod) === false) return false
    const verdict = admission.look(pod, observer.of(uid).length > 0)
    if (verdict === 'taken' || verdict === 'open') return verdict === 'taken'
    reject(verdict)
    return true
  }

  function reject({ reason, message }: StartFailure): void {
    say(context, pod, 'Warning', reason, message)
    const failure = { reason, message: `Pod was rejected: ${message}` }
    stop = { atMs: clock.nowMs(), graceMs: 0, failure, finished: true }
  }

  /** The last question of admission: it costs calls of plugins. Of a pod that has started it was answered. */
  async function claimDevices(): Promise<void> {
    if (stop !== undefined || isTerminalPhase(pod.status?.phase) || observer.of(uid).length > 0) return
    const failure = await context.devices.admit(pod)
    if (failure === undefined) return
    admission.reject()
    reject(failure)
  }

  function hurry(graceMs: number): void {
    for (const one of observer.of(uid)) {
      if (one.role === 'container' && one.state === 'running') {
        options.runtime
          .stop(one.id, graceMs)
          .catch((error: unknown) => logger.debug({ error }, 'stop could not be hastened'))
      }
    }
  }

  function act(actions: readonly Action[]): void {
    if (loop.isDoing('stop')) return
    const starts = actions.filter((action) => action.do === 'start').filter(({ container }) => mayTry(container.name))
    for (const action of actions) {
      if (action.do === 'run-sandbox') loop.doing('sandbox', () => runSandbox(action.attempt))
      if (action.do === 'kill') loop.doing(action.instance.id, () => kill(action))
      if (action.do === 'start-over') loop.doing('start', () => startOver(action))
      if (action.do === 'stop-pod') loop.doing('stop', () => end(action.cause))
    }
    const { imageFailure } = mounter
    if (imageFailure !== undefined) for (const { container } of starts) attempts.explain(container.name, imageFailure)
    if (starts.length > 0 && mounter.isReady) loop.doing('start', () => startAll(starts))
  }

  const mayTry = (name: string): boolean => attempts.mayTry(name, clock.nowMs())

  async function runSandbox(attempt: number): Promise<void> {
    try {
      await context.limit(async () => {
        const newest = newestSandbox(view())
        const running = newest?.state === 'running' ? newest : undefined
        const onCreated = (sandbox: CreateAction['sandbox']): void => {
          if (mounter.isReady) preparer.prepare(pod, sandbox, mounter.mounted ?? new Map())
        }
        await startSandbox(context, pod, attempt, running, starting.signal, onCreated)
      })
    } catch (error) {
      if (error instanceof RuntimeError && error.containerId) await observer.refresh(error.containerId)
      if (stop !== undefined) return
      const message = `Failed to create pod sandbox: ${(error as Error).message}`
      say(context, pod, 'Warning', 'FailedCreatePodSandBox', message)
      throw error
    } finally {
      await preparer.settled()
    }
  }

  /** One after the other in the spec's order, each with its postStart hook, as upstream. */
  async function startAll(actions: readonly StartAction[]): Promise<void> {
    for (const action of actions) {
      if (starting.signal.aborted) return
      const { name } = action.container
      if (action.backoff !== undefined) crashes.set(name, action.backoff)
      try {
        const prepared = await preparer.take(name, action.attempt, action.sandbox.id)
        const input = { pod, action, mounted: mounter.mounted ?? new Map(), observed: observer.of(uid), prepared }
        await startContainer(context, input, starting.signal)
        attempts.succeeded(name)
      } catch (error) {
        if (starting.signal.aborted) continue
        const hasEnded = observer.of(uid).some((one) => one.name === name && one.state === 'exited')
        attempts.failed(name, error as Error, hasEnded, clock.nowMs())
      }
    }
  }

  async function startOver({ source, instances, backoff }: Extract<Action, { do: 'start-over' }>): Promise<void> {
    for (const { id } of instances) {
      await options.runtime.remove(id)
      await observer.refresh(id)
    }
    crashes.set(source.name, backoff)
  }

  async function kill(action: Extract<Action, { do: 'kill' }>): Promise<void> {
    const found = containersOf(pod.spec ?? { containers: [] }).find(
      ({ container }) => container.name === action.instance.name,
    )
    const probe = action.cause === 'changed' ? undefined : found?.container[`${action.cause}Probe`]
    const seconds = probe?.terminationGracePeriodSeconds
    const graceMs = seconds === undefined ? podGraceMs(pod) : seconds * 1000
    await killContainer(context, pod, action.instance, graceMs, action.message)
  }

  async function end(cause: Extract<Action, { do: 'stop-pod' }>['cause']): Promise<void> {
    await loop.settled('start', 'sandbox')
    await stopPod(context, pod, stop?.graceMs ?? podGraceMs(pod))
    if (cause === 'sandbox-changed') {
      const message = 'Pod sandbox changed, it will be killed and re-created.'
      say(context, pod, 'Normal', 'SandboxChanged', message)
    }
    const running = observer.of(uid).some((one) => one.state === 'running')
    if (stop !== undefined && !running) stop = { ...stop, finished: true }
  }

  function probe(): void {
    if (isTerminalPhase(pod.status?.phase)) {
      prober.stop()
      return
    }
    const running = containersOf(pod.spec ?? { containers: [] }).flatMap(({ container, kind }) => {
      const instance = observer.of(uid).find((one) => one.name === container.name && one.state === 'running')
      return instance === undefined || kind === 'ephemeral' ? [] : [{ container, instance }]
    })
    const host = pod.spec?.hostNetwork ? options.nodeIp : context.podIps.get(uid)
    prober.sync(pod, running, host, stop !== undefined)
  }

  async function readTerminationMessages(): Promise<void> {
    for (const instance of observer.of(uid)) {
      if (instance.role !== 'container' || instance.state !== 'exited' || messages.has(instance.id)) continue
      messages.set(instance.id, await terminationMessage(context, pod, instance))
    }
  }

  async function report(): Promise<void> {
    const ended = isTerminalPhase(pod.status?.phase)
    if (gone || (ended && stop === undefined)) return
    const status = admission.isRejected() ? rejectedStatus(pod, stop?.failure) : undefined
    await statusWriter.write(pod, status ?? podStatus(view(), context.runtimeName(), clock.nowMs()))
  }

  /** Nothing runs any more: the object goes first, so that its name is free, then what is left on the node. */
  async function finish(): Promise<void> {
    const deleted = pod.metadata.deletionTimestamp !== undefined || gone
    if (!deleted) return
    await mounter.settled()
    await context.volumes.unmount(uid)
    await context.devices.release(uid)
    const latest = current()
    if (latest?.metadata.uid === uid) {
      try {
        await client.delete(refs.pods, pod.metadata.namespace ?? '', pod.metadata.name ?? '', { gracePeriodSeconds: 0 })
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error
      }
    }
    // Containers before sandboxes: an engine may keep a sandbox for as long as anything is joined to it.
    for (const one of observer.of(uid).toSorted((a, b) => a.role.localeCompare(b.role))) {
      await options.runtime.remove(one.id)
      await observer.refresh(one.id)
    }
    close()
    onDone()
  }

  function close(): void {
    loop.close()
    prober.stop()
    starting.abort()
  }

  return {
    wake: loop.wake,
    wakeForSources() {
      attempts.sourcesChanged()
      loop.wake()
    },
    held: () => (admission.isTaken() && !gone && !isTerminalPhase(pod.status?.phase) ? pod : undefined),
    fail(failure, graceMs) {
      stop ??= { atMs: clock.nowMs(), graceMs, failure, finished: false }
      starting.abort()
      loop.wake()
    },
    async stop() {
      close()
      await loop.drained('stop')
      await mounter.settled()
    },
  }
}
