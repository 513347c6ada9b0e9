import { isDeepStrictEqual } from 'node:util'
import type { Pod, PodStatus } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Timer } from '../../lib/clock.ts'
import { RuntimeError } from '../../runtime/runtime.ts'
import { kubeletConditions } from '../core/conditions.ts'
import { decide, type Action } from '../core/decide.ts'
import { podStatus } from '../core/pod-status.ts'
import {
  containersOf,
  isTerminalPhase,
  newestSandbox,
  type CrashBackoff,
  type PodStop,
  type PodView,
  type StartFailure,
} from '../core/pod-view.ts'
import { qosClass } from '../core/quality.ts'
import { ImageError } from '../images/image-puller.ts'
import { createProber } from '../probes/prober.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { StartError, type CreateAction, type StartAction } from './container-creator.ts'
import { createPreparer } from './container-preparer.ts'
import { startContainer } from './container-starter.ts'
import { downwardFacts, say, sourcesFor, type PodContext } from './pod-context.ts'
import { killContainer, stopPod } from './pod-stopper.ts'
import { startSandbox } from './sandbox-starter.ts'
import { terminationMessage } from './termination-message.ts'

/** Wait before the next try after an action has failed. */
const retryMs = 1_000
const configRetryMs = 10_000
const maxRetryMs = 30_000

/** Drives one pod, from its first sight to its last trace. */
export interface PodWorker {
  /** Look again: something may have changed. */
  wake(): void
  /** Look again, and try what had failed for the want of a ConfigMap, Secret or claim. */
  wakeForSources(): void
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
  /** Everything of the pod has been removed. */
  readonly onDone: () => void
}

export function createPodWorker({ context, pod: firstPod, current, onDone }: PodWorkerOptions): PodWorker {
  const { options, observer } = context
  const { clock, client } = options
  const uid = firstPod.metadata.uid ?? ''
  const logger = options.logger.child({ pod: `${firstPod.metadata.namespace}/${firstPod.metadata.name}`, uid })
  const startedAtMs = clock.nowMs()
  const failures = new Map<string, StartFailure>()
  const retryAtMs = new Map<string, number>()
  const crashes = new Map<string, CrashBackoff>()
  const messages = new Map<string, string>()
  /** Work under way by what it touches: `start`, `sandbox`, `stop`, or a container's id. */
  const work = new Map<string, Promise<void>>()
  const starting = new AbortController()
  const preparer = createPreparer(context, starting.signal)
  let pod = firstPod
  let gone = false
  let stop: PodStop | undefined
  let mounted: ReadonlyMap<string, MountedVolume> | undefined
  let written: PodStatus | undefined
  let timer: Timer | undefined
  let syncing: Promise<void> | undefined
  let dirty = false
  let closed = false
  let failedTries = 0

  const prober = createProber({
    runtime: options.runtime,
    clock,
    onChange: wake,
    say: (container, reason, message) => say(context, pod, 'Warning', reason, message, container.name),
  })

  function wake(): void {
    if (closed) return
    dirty = true
    syncing ??= run().finally(() => {
      syncing = undefined
      if (dirty) wake()
    })
  }

  async function run(): Promise<void> {
    while (dirty && !closed) {
      dirty = false
      try {
        await sync()
      } catch (error) {
        retryLater(error)
      }
    }
  }

  function retryLater(error: unknown): void {
    if (closed || (error as Error).name === 'AbortError') return
    failedTries++
    const delayMs = Math.min(maxRetryMs, retryMs * 2 ** Math.min(failedTries - 1, 5))
    logger.warn({ error: (error as Error).message, delayMs }, 'pod could not be brought to its state; trying again')
    recheck(delayMs)
  }

  function recheck(delayMs: number): void {
    timer?.cancel()
    timer = clock.after(delayMs, wake)
  }

  const view = (): PodView => ({
    pod,
    observed: observer.of(uid),
    podIp: context.podIps.get(uid),
    hostIp: options.nodeIp,
    failures,
    probes: prober.results,
    crashes,
    stop,
    terminationMessages: messages,
    startedAtMs,
  })

  /** One look at the pod: what it should be, what it is, what to do, what to report. */
  async function sync(): Promise<void> {
    if (observer.pods() === undefined) return
    refreshPod()
    await readTerminationMessages()
    await prepare()
    const now = clock.nowMs()
    const { actions, recheckAtMs } = decide(view(), now)
    for (const action of actions) if (action.do === 'wait') waitFor(action.name, action.failure)
    for (const { container } of containersOf(pod.spec ?? { containers: [] })) {
      const running = view().observed.some((one) => one.name === container.name && one.state === 'running')
      if (running) failures.delete(container.name)
    }
    act(actions)
    probe()
    await report()
    if (stop?.finished && work.size === 0) await finish()
    const waits = [recheckAtMs, deadlineMs(), ...retryAtMs.values()].filter((one) => one !== undefined && one > now)
    if (waits.length > 0) recheck(Math.max(10, Math.min(...(waits as number[])) - now))
  }

  function waitFor(name: string, failure: StartFailure): void {
    const before = failures.get(name)
    failures.set(name, failure)
    if (before?.reason === failure.reason && before.message === failure.message) return
    const where = `${pod.metadata.name}_${pod.metadata.namespace}(${uid})`
    say(context, pod, 'Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${where}`, name)
  }

  function refreshPod(): void {
    const latest = current()
    gone = latest === undefined
    pod = latest ?? pod
    const wanted = wantedStop()
    if (wanted === undefined) return
    const before = stop
    if (before === undefined || wanted.graceMs < before.graceMs - (clock.nowMs() - before.atMs)) {
      stop = { ...wanted, finished: before?.finished ?? false }
      starting.abort()
      // A shorter grace period counts at once for what is being ended.
      if (before !== undefined && work.has('stop')) hurry(stop.graceMs)
    }
  }

  function wantedStop(): Omit<PodStop, 'finished'> | undefined {
    const atMs = clock.nowMs()
    if (gone) {
      // Removed without a grace period of its own: as upstream, one second.
      const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 1) * 1000
      return { atMs, graceMs: Math.min(graceMs, 1_000) }
    }
    const spec = pod.spec ?? { containers: [] }
    if (pod.metadata.deletionTimestamp) {
      const seconds = pod.metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30
      return { atMs, graceMs: seconds * 1000 }
    }
    const deadline = deadlineMs()
    if (stop === undefined && deadline !== undefined && atMs >= deadline && !isTerminalPhase(pod.status?.phase)) {
      const message = 'Pod was active on the node longer than the specified deadline'
      say(context, pod, 'Normal', 'DeadlineExceeded', message)
      const graceMs = (spec.terminationGracePeriodSeconds ?? 30) * 1000
      return { atMs, graceMs, failure: { reason: 'DeadlineExceeded', message } }
    }
    return undefined
  }

  function deadlineMs(): number | undefined {
    const seconds = pod.spec?.activeDeadlineSeconds
    const start = pod.status?.startTime
    return seconds === undefined || start === undefined ? undefined : Date.parse(start) + seconds * 1000
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

  /** Volumes first: nothing starts without them. */
  async function prepare(): Promise<void> {
    if (stop !== undefined || isTerminalPhase(pod.status?.phase)) return
    try {
      const sources = sourcesFor(options.informers, pod.metadata.namespace ?? '')
      mounted = await context.volumes.mount(pod, sources, downwardFacts(context, pod))
      retryAtMs.delete('volumes')
    } catch (error) {
      if (!retryAtMs.has('volumes')) say(context, pod, 'Warning', 'FailedMount', (error as Error).message)
      retryAtMs.set('volumes', clock.nowMs() + retryMs)
      logger.debug({ error: (error as Error).message }, 'volumes are not ready')
    }
  }

  function act(actions: readonly Action[]): void {
    if (work.has('stop')) return
    const starts = actions.filter((action) => action.do === 'start').filter(({ container }) => mayTry(container.name))
    for (const action of actions) {
      if (action.do === 'run-sandbox') doing('sandbox', () => runSandbox(action.attempt))
      if (action.do === 'kill') doing(action.instance.id, () => kill(action))
      if (action.do === 'stop-pod') doing('stop', () => end(action.cause))
    }
    if (starts.length > 0 && mounted !== undefined && !retryAtMs.has('volumes')) doing('start', () => startAll(starts))
  }

  const mayTry = (name: string): boolean => clock.nowMs() >= (retryAtMs.get(name) ?? 0)

  /** At most one piece of work for a thing at a time; when it is over, everything is looked at again. */
  function doing(what: string, run: () => Promise<void>): void {
    if (work.has(what) || closed) return
    const promise = run()
      .then(() => {
        failedTries = 0
      })
      .catch(retryLater)
      .finally(() => {
        work.delete(what)
        wake()
      })
    work.set(what, promise)
  }

  async function runSandbox(attempt: number): Promise<void> {
    if (!mayTry('sandbox')) return
    try {
      await context.limit(async () => {
        const newest = newestSandbox(view())
        const running = newest?.state === 'running' ? newest : undefined
        const onCreated = (sandbox: CreateAction['sandbox']): void => {
          if (mounted !== undefined && !retryAtMs.has('volumes')) preparer.prepare(pod, sandbox, mounted)
        }
        await startSandbox(context, pod, attempt, running, starting.signal, onCreated)
      })
      retryAtMs.delete('sandbox')
    } catch (error) {
      if (stop !== undefined) return
      retryAtMs.set('sandbox', clock.nowMs() + retryMs * 2 ** Math.min(failedTries, 5))
      failedTries++
      say(
        context,
        pod,
        'Warning',
        'FailedCreatePodSandBox',
        `Failed to create pod sandbox: ${(error as Error).message}`,
      )
    } finally {
      await preparer.settled()
    }
  }

  /** One after the other in the spec's order, each with its postStart hook, as upstream. */
  async function startAll(actions: readonly StartAction[]): Promise<void> {
    for (const action of actions) {
      if (stop !== undefined || closed) return
      const { name } = action.container
      if (action.backoff !== undefined) crashes.set(name, action.backoff)
      try {
        const prepared = await preparer.take(name, action.attempt, action.sandbox.id)
        const input = { pod, action, mounted: mounted ?? new Map(), observed: observer.of(uid), prepared }
        await startContainer(context, input, starting.signal)
        failures.delete(name)
        retryAtMs.delete(name)
      } catch (error) {
        if (!starting.signal.aborted) failedToStart(name, error as Error)
      }
    }
  }

  function failedToStart(name: string, error: Error): void {
    const now = clock.nowMs()
    if (error instanceof ImageError) {
      failures.set(name, error.failure)
      retryAtMs.set(name, error.retryAtMs ?? Infinity)
    } else if (error instanceof StartError) {
      const cause = error.cause
      if (cause instanceof RuntimeError && cause.kind === 'unreachable') throw cause
      failures.set(name, { reason: error.reason, message: error.message })
      const ended = observer.of(uid).some((one) => one.name === name && one.state === 'exited')
      // What ended is restarted by the crash back-off, what never was is tried again.
      if (!ended || error.reason.startsWith('Create')) retryAtMs.set(name, now + configRetryMs)
    } else {
      throw error
    }
  }

  async function kill(action: Extract<Action, { do: 'kill' }>): Promise<void> {
    const found = containersOf(pod.spec ?? { containers: [] }).find(
      ({ container }) => container.name === action.instance.name,
    )
    const probe = action.cause === 'changed' ? undefined : found?.container[`${action.cause}Probe`]
    const seconds = probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30
    await killContainer(context, pod, action.instance, seconds * 1000, action.message)
  }

  async function end(cause: Extract<Action, { do: 'stop-pod' }>['cause']): Promise<void> {
    await Promise.allSettled([work.get('start'), work.get('sandbox')])
    const graceMs = stop?.graceMs ?? (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
    await stopPod(context, pod, graceMs)
    if (cause === 'sandbox-changed') {
      const message = 'Pod sandbox changed, it will be killed and re-created.'
      say(context, pod, 'Normal', 'SandboxChanged', message)
    }
    const running = observer.of(uid).some((one) => one.state === 'running')
    if (stop !== undefined && !running) stop = { ...stop, finished: true }
  }

  function probe(): void {
    if (stop !== undefined || isTerminalPhase(pod.status?.phase)) {
      prober.stop()
      return
    }
    const running = containersOf(pod.spec ?? { containers: [] }).flatMap(({ container, kind }) => {
      const instance = observer.of(uid).find((one) => one.name === container.name && one.state === 'running')
      return instance === undefined || kind === 'ephemeral' ? [] : [{ container, instance }]
    })
    prober.sync(pod, running, pod.spec?.hostNetwork ? options.nodeIp : context.podIps.get(uid))
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
    const status = podStatus(view(), context.runtimeName(), clock.nowMs())
    const own = { ...status, conditions: ownConditions(status), qosClass: status.qosClass ?? qosClass(pod) }
    if (isDeepStrictEqual(own, written)) return
    try {
      await client.mutate<Pod>(
        refs.pods,
        pod.metadata.namespace ?? '',
        pod.metadata.name ?? '',
        (latest) => {
          if (latest.metadata.uid !== uid) return undefined
          const foreign = (latest.status?.conditions ?? []).filter((one) => !kubeletConditions.includes(one.type))
          return { ...latest, status: { ...latest.status, ...own, conditions: [...foreign, ...own.conditions] } }
        },
        { subresource: 'status' },
      )
      written = own
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error
    }
  }

  const ownConditions = (status: PodStatus) =>
    (status.conditions ?? []).filter((condition) => kubeletConditions.includes(condition.type))

  /** Nothing runs any more: the object goes first, so that its name is free, then what is left on the node. */
  async function finish(): Promise<void> {
    const deleted = pod.metadata.deletionTimestamp !== undefined || gone
    if (!deleted) return
    await context.volumes.unmount(uid)
    const latest = current()
    if (latest?.metadata.uid === uid) {
      try {
        await client.delete(refs.pods, pod.metadata.namespace ?? '', pod.metadata.name ?? '', { gracePeriodSeconds: 0 })
      } catch (error) {
        if (!isStatus(error, 'NotFound')) throw error
      }
    }
    for (const one of observer.of(uid)) {
      await options.runtime.remove(one.id)
      await observer.refresh(one.id)
    }
    close()
    onDone()
  }

  function close(): void {
    closed = true
    timer?.cancel()
    prober.stop()
    starting.abort()
  }

  return {
    wake,
    wakeForSources() {
      for (const [name, at] of retryAtMs) {
        if (name !== 'sandbox' && failures.get(name)?.reason.startsWith('CreateContainer'))
          retryAtMs.set(name, Math.min(at, 0))
      }
      wake()
    },
    fail(failure, graceMs) {
      stop ??= { atMs: clock.nowMs(), graceMs, failure, finished: false }
      starting.abort()
      wake()
    },
    async stop() {
      close()
      await syncing
      await Promise.allSettled([...work].filter(([what]) => what !== 'stop').map(([, promise]) => promise))
    },
  }
}
