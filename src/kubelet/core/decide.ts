import type { PodSpec } from '../../api/kinds.ts'
import { must } from '../../lib/assert.ts'
import { labelKeys } from '../../runtime/container-names.ts'
import type { Resources, RuntimeContainer } from '../../runtime/runtime.ts'
import {
  containersOf,
  hasStarted,
  instancesOf,
  isTerminalPhase,
  newestSandbox,
  statusOf,
  type AnyContainer,
  type ContainerKind,
  type CrashBackoff,
  type PodView,
  type StartFailure,
} from './pod-view.ts'
import { containerResources, needsRestart } from './quality.ts'
import { backoffRemainingMs, goDuration, nextBackoff, restartOfAll, shouldRestart } from './restart.ts'

/** What the worker does next. Actions of one decision are independent of each other. */
export type Action =
  | { readonly do: 'run-sandbox'; readonly attempt: number }
  | {
      readonly do: 'start'
      readonly container: AnyContainer
      readonly kind: ContainerKind
      readonly attempt: number
      readonly sandbox: RuntimeContainer
      /** To be remembered when the start is tried. */
      readonly backoff: CrashBackoff | undefined
    }
  | { readonly do: 'kill'; readonly instance: RuntimeContainer; readonly cause: KillCause; readonly message: string }
  /** Forgets these, which have ended, in this order. */
  | {
      readonly do: 'start-over'
      readonly source: RuntimeContainer
      readonly instances: readonly RuntimeContainer[]
      readonly backoff: CrashBackoff
    }
  /** Ends every container, then the sandbox, keeping records for status and logs. */
  | { readonly do: 'stop-pod'; readonly cause: 'deleted' | 'failed' | 'completed' | 'sandbox-changed' }
  /** Failures to be shown until something else is known: crash back-off. */
  | { readonly do: 'wait'; readonly name: string; readonly failure: StartFailure }

export type KillCause = 'liveness' | 'startup' | 'changed'

export interface Decision {
  readonly actions: Action[]
  /** When to decide again though nothing was observed to change. */
  readonly recheckAtMs: number | undefined
}

/**
 * The kubelet's choice for one pod, as kuberuntime's computePodActions makes it: level-triggered, from what is observed
 * now and nothing else.
 *
 * Not decided here: when the pod's API object may be deleted (see lifecycle in the worker).
 */
export function decide(view: PodView, nowMs: number): Decision {
  const plan: Plan = { view, nowMs, actions: [], recheckAtMs: undefined }
  const running = view.observed.some((one) => one.state === 'running')
  if (view.stop !== undefined) {
    if (running || !view.stop.finished) {
      plan.actions.push({ do: 'stop-pod', cause: view.stop.failure === undefined ? 'deleted' : 'failed' })
    }
    return plan
  }
  if (isTerminalPhase(view.pod.status?.phase)) {
    if (running) plan.actions.push({ do: 'stop-pod', cause: 'completed' })
    return plan
  }
  const sandbox = newestSandbox(view)
  if (sandbox?.state !== 'running' || (view.podIp === undefined && !usesHostNetwork(view))) {
    decideSandbox(plan, sandbox)
    return plan
  }
  decideContainers(plan, sandbox)
  return plan
}

interface Plan extends Decision {
  readonly view: PodView
  readonly nowMs: number
  recheckAtMs: number | undefined
}

const usesHostNetwork = (view: PodView): boolean => view.pod.spec?.hostNetwork === true
const specOf = (view: PodView) => must(view.pod.spec, 'a pod without a spec cannot be bound to a node')
const policyOf = (view: PodView): string => specOf(view).restartPolicy ?? 'Always'

/** A pod whose containers share a namespace that is gone starts over: everything ends, then a new sandbox runs. */
function decideSandbox({ view, actions }: Plan, sandbox: RuntimeContainer | undefined): void {
  if (view.observed.some((one) => one.role === 'container' && one.state === 'running')) {
    actions.push({ do: 'stop-pod', cause: 'sandbox-changed' })
  } else if (!isComplete(view)) {
    // The running sandbox without an address is taken again: its attempt's network is attached once more.
    const again = sandbox?.state === 'running' ? sandbox.attempt : (sandbox?.attempt ?? -1) + 1
    actions.push({ do: 'run-sandbox', attempt: again })
  }
}

function decideContainers(plan: Plan, sandbox: RuntimeContainer): void {
  const { view } = plan
  if (startOver(plan)) return
  const all = containersOf(specOf(view))
  for (const { container, kind } of all) {
    if (kind === 'ephemeral' && instancesOf(view, container.name).length === 0) start(plan, container, kind, sandbox)
  }
  if (isComplete(view)) {
    if (view.observed.some((one) => one.state === 'running')) plan.actions.push({ do: 'stop-pod', cause: 'completed' })
    return
  }
  if (!decideInit(plan, sandbox)) return
  for (const { container, kind } of all) if (kind === 'app') decideOne(plan, container, kind, sandbox)
}

/**
 * Where a rule says so, everything ends, and is forgotten once its status has been told: the pod then starts from its
 * first init container, in the same sandbox. True while that is to be done.
 */
function startOver(plan: Plan): boolean {
  const { view, nowMs, actions } = plan
  const source = restartOfAll(view)
  if (source === undefined) return false
  const ephemeral = view.pod.spec?.ephemeralContainers?.map(({ name }) => name) ?? []
  const all = view.observed.filter((one) => one.role === 'container' && !ephemeral.includes(one.name))
  const running = all.filter((one) => one.state === 'running')
  for (const instance of running) {
    const message = `Container ${instance.name} is restarted with all containers of its pod`
    actions.push({ do: 'kill', instance, cause: 'changed', message })
  }
  const isTold = all.every(({ id, name }) => instancesOf(view, name)[0]?.id !== id || isReported(view, name, id))
  if (running.length > 0 || !isTold || isBackingOff(plan, source)) return true
  const backoff = nextBackoff(view.crashes.get(source.name), source.finishedAtMs, nowMs)
  // The source goes last: until then it is known what is to be done.
  actions.push({ do: 'start-over', source, instances: [...all.filter((one) => one !== source), source], backoff })
  return true
}

const isReported = ({ pod }: PodView, name: string, id: string): boolean =>
  statusOf(pod, name)?.containerID?.endsWith(`//${id}`) === true

/** All app containers have ended for good, or an init container has failed for good. */
function isComplete(view: PodView): boolean {
  const spec = specOf(view)
  const endedForGood = (container: AnyContainer, kind: ContainerKind): boolean => {
    const [latest] = instancesOf(view, container.name)
    return latest?.state === 'exited' && !shouldRestart(policyOf(view), kind, container, latest)
  }
  if (hasFailedInit(view)) return true
  return spec.containers.every((container) => endedForGood(container, 'app'))
}

/** An init container has failed and nobody restarts it. */
function hasFailedInit(view: PodView): boolean {
  return containersOf(specOf(view)).some(({ container, kind }) => {
    if (kind !== 'init') return false
    const [latest] = instancesOf(view, container.name)
    if (latest?.state !== 'exited' || (latest.exitCode === 0 && latest.startedAtMs > 0)) return false
    return !shouldRestart(policyOf(view), kind, container, latest)
  })
}

/** Walks the init containers in order; true when the app containers may run. */
function decideInit(plan: Plan, sandbox: RuntimeContainer): boolean {
  const { view } = plan
  const spec = specOf(view)
  // Once an app container has run in this sandbox, plain init containers are over; sidecars are kept alive.
  const initialized = spec.containers.some((container) =>
    instancesOf(view, container.name).some((one) => one.sandboxId === sandbox.id),
  )
  for (const { container, kind } of containersOf(spec)) {
    if (kind === 'app') break
    const current = instancesOf(view, container.name).find((one) => one.sandboxId === sandbox.id)
    if (kind === 'sidecar') {
      decideOne(plan, container, kind, sandbox)
      const ready = current !== undefined && hasStarted(view, container, current)
      if (!ready && !initialized) return false
    } else if (!initialized) {
      if (current?.state === 'exited' && current.exitCode === 0 && current.startedAtMs > 0) continue
      if (current?.state !== 'running') start(plan, container, kind, sandbox)
      return false
    }
  }
  return true
}

function decideOne(plan: Plan, container: AnyContainer, kind: ContainerKind, sandbox: RuntimeContainer): void {
  const { view, actions } = plan
  const [latest] = instancesOf(view, container.name)
  if (latest?.state !== 'running') {
    if (latest?.state !== 'exited' || shouldRestart(policyOf(view), kind, container, latest)) {
      start(plan, container, kind, sandbox)
    }
    return
  }
  const results = view.probes.get(latest.id)
  const kill = (cause: KillCause, message: string): void =>
    void actions.push({ do: 'kill', instance: latest, cause, message })
  if (results?.startup === false) kill('startup', `Container ${container.name} failed startup probe, will be restarted`)
  else if (results?.liveness === false)
    kill('liveness', `Container ${container.name} failed liveness probe, will be restarted`)
  else if (mustRestartToResize(specOf(view), container, latest)) {
    kill('changed', `Container ${container.name} resize requires restart`)
  } else if (latest.imageRef !== container.image && latest.imageRef !== '') {
    kill('changed', `Container ${container.name} definition changed, will be restarted`)
  }
}

/** The container's own policy asks for a restart where what it was made with has changed (KEP-1287). */
function mustRestartToResize(spec: PodSpec, container: AnyContainer, instance: RuntimeContainer): boolean {
  const made = instance.labels[labelKeys.resources]
  if (made === undefined) return false
  return needsRestart(container.resizePolicy, JSON.parse(made) as Resources, containerResources(container, spec))
}

/** Number of the last instance of which the pod's status tells; -1 when there was none. */
function lastReported({ pod }: PodView, name: string): number {
  const { containerID, state, lastState, restartCount } = statusOf(pod, name) ?? { restartCount: -1 }
  return containerID || state?.terminated || lastState?.terminated ? restartCount : -1
}

/** Starts the next instance, unless the last one ended too short a while ago. */
function start(plan: Plan, container: AnyContainer, kind: ContainerKind, sandbox: RuntimeContainer): void {
  const { view, nowMs, actions } = plan
  const [latest] = instancesOf(view, container.name)
  const attempt =
    latest?.state === 'created' ? latest.attempt : (latest?.attempt ?? lastReported(view, container.name)) + 1
  const backoff = view.crashes.get(container.name)
  if (latest?.state !== 'exited') {
    actions.push({ do: 'start', container, kind, attempt, sandbox, backoff: undefined })
    return
  }
  if (isBackingOff(plan, latest)) return
  actions.push({
    do: 'start',
    container,
    kind,
    attempt,
    sandbox,
    backoff: nextBackoff(backoff, latest.finishedAtMs, nowMs),
  })
}

/** For so long an end is shown before it is said that its container waits (upstream: until the next sync, 10 s or more). */
const endShownMs = 5_000

/** Whether what has ended must wait before it starts again; then that is said, and when to look again. */
function isBackingOff(plan: Plan, ended: RuntimeContainer): boolean {
  const { view, nowMs, actions } = plan
  const backoff = view.crashes.get(ended.name)
  const remainingMs = backoffRemainingMs(backoff, ended.finishedAtMs, nowMs)
  if (remainingMs === 0) return false
  const shownMs = ended.finishedAtMs + endShownMs - nowMs
  // A clock that was set back must not hide the wait.
  if (shownMs > 0 && shownMs <= endShownMs) {
    plan.recheckAtMs = Math.min(plan.recheckAtMs ?? Infinity, nowMs + Math.min(shownMs, remainingMs))
    return true
  }
  const { name, namespace, uid } = view.pod.metadata
  const message = `back-off ${goDuration(backoff?.delayMs ?? 0)} restarting failed container=${ended.name} pod=${name}_${namespace}(${uid})`
  actions.push({ do: 'wait', name: ended.name, failure: { reason: 'CrashLoopBackOff', message } })
  plan.recheckAtMs = Math.min(plan.recheckAtMs ?? Infinity, nowMs + remainingMs)
  return true
}
