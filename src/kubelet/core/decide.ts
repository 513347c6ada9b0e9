import { must } from '../../lib/assert.ts'
import { labelKeys } from '../../runtime/container-names.ts'
import type { Resources, RuntimeContainer } from '../../runtime/runtime.ts'
import {
  containersOf,
  hasStarted,
  instancesOf,
  isTerminalPhase,
  newestSandbox,
  type AnyContainer,
  type ContainerKind,
  type CrashBackoff,
  type PodView,
  type StartFailure,
} from './pod-view.ts'
import { containerResources, needsRestart } from './quality.ts'
import { backoffRemainingMs, goDuration, nextBackoff, shouldRestart } from './restart.ts'

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

/** All app containers have ended for good, or an init container has failed for good. */
export function isComplete(view: PodView): boolean {
  const spec = specOf(view)
  const endedForGood = (container: AnyContainer, kind: ContainerKind): boolean => {
    const [latest] = instancesOf(view, container.name)
    return latest?.state === 'exited' && !shouldRestart(policyOf(view), kind, container, latest)
  }
  if (hasFailedInit(view)) return true
  return spec.containers.every((container) => endedForGood(container, 'app'))
}

/** An init container has failed and nobody restarts it. */
export function hasFailedInit(view: PodView): boolean {
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
  else if (mustRestartToResize(container, latest)) {
    kill('changed', `Container ${container.name} resize requires restart`)
  } else if (latest.imageRef !== container.image && latest.imageRef !== '') {
    kill('changed', `Container ${container.name} definition changed, will be restarted`)
  }
}

/** The container's own policy asks for a restart where what it was made with has changed (KEP-1287). */
function mustRestartToResize(container: AnyContainer, instance: RuntimeContainer): boolean {
  const made = instance.labels[labelKeys.resources]
  if (made === undefined) return false
  return needsRestart(container.resizePolicy, JSON.parse(made) as Resources, containerResources(container))
}

/** Starts the next instance, unless the last one ended too short a while ago. */
function start(plan: Plan, container: AnyContainer, kind: ContainerKind, sandbox: RuntimeContainer): void {
  const { view, nowMs, actions } = plan
  const [latest] = instancesOf(view, container.name)
  const attempt = latest === undefined ? 0 : latest.state === 'created' ? latest.attempt : latest.attempt + 1
  const backoff = view.crashes.get(container.name)
  if (latest?.state !== 'exited') {
    actions.push({ do: 'start', container, kind, attempt, sandbox, backoff: undefined })
    return
  }
  const remainingMs = backoffRemainingMs(backoff, latest.finishedAtMs, nowMs)
  if (remainingMs === 0) {
    actions.push({
      do: 'start',
      container,
      kind,
      attempt,
      sandbox,
      backoff: nextBackoff(backoff, latest.finishedAtMs, nowMs),
    })
    return
  }
  const { name, namespace, uid } = view.pod.metadata
  const message = `back-off ${goDuration(backoff?.delayMs ?? 0)} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`
  actions.push({ do: 'wait', name: container.name, failure: { reason: 'CrashLoopBackOff', message } })
  plan.recheckAtMs = Math.min(plan.recheckAtMs ?? Infinity, nowMs + remainingMs)
}
