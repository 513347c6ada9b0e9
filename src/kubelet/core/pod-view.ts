import type {
  Container,
  ContainerStatus,
  EphemeralContainer,
  Pod,
  PodSpec,
  ResourceRequirements,
} from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'

/** Why a container that should run does not, in the words of its waiting state. */
export interface StartFailure {
  readonly reason: string
  readonly message: string
}

/** Answers of a container's probes; undefined while none has come. */
export interface ProbeResults {
  readonly startup?: boolean
  readonly readiness?: boolean
  readonly liveness?: boolean
}

/** Crash back-off of one container: how long to wait after its last exit. */
export interface CrashBackoff {
  readonly delayMs: number
  readonly updatedAtMs: number
}

/** The whole pod must end. */
export interface PodStop {
  readonly atMs: number
  readonly graceMs: number
  /** Status.reason and message of a pod that is ended for a cause of its node: DeadlineExceeded, Evicted. */
  readonly failure?: StartFailure
  /** Set once preStop hooks and signals have done their work and nothing runs any more. */
  readonly finished: boolean
}

/** A resize that waits for room, or is under way. */
export interface ResizeState {
  readonly refusal: ResizeRefusal | undefined
  /** A resize is granted and not in force: with the error that keeps it from that, or ''. */
  readonly inProgress: string | undefined
}

/** Why a resize is not granted, now (Deferred) or ever on this node (Infeasible). */
export interface ResizeRefusal {
  readonly reason: 'Deferred' | 'Infeasible'
  readonly message: string
}

/** All that decisions about one pod depend on. Time is an argument beside it. */
export interface PodView {
  readonly pod: Pod
  /** Every container and sandbox of the pod, running or not. */
  readonly observed: readonly RuntimeContainer[]
  /** Undefined until the sandbox's network is attached. */
  readonly podIp: string | undefined
  /** Of the other family, where the cluster has two. */
  readonly secondPodIp?: string | undefined
  readonly hostIp: string
  readonly failures: ReadonlyMap<string, StartFailure>
  /** By container id. */
  readonly probes: ReadonlyMap<string, ProbeResults>
  readonly crashes: ReadonlyMap<string, CrashBackoff>
  readonly stop: PodStop | undefined
  /** By container id: what it left in its termination message file. */
  readonly terminationMessages: ReadonlyMap<string, string>
  readonly startedAtMs: number
  /** By container id: requests and limits that it was last brought to. */
  readonly resourcesInForce: ReadonlyMap<string, ResourceRequirements>
  readonly resize: ResizeState
}

export type AnyContainer = Container | EphemeralContainer
export type ContainerKind = 'init' | 'sidecar' | 'app' | 'ephemeral'

export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always'

/** Containers of a spec with their kind, in the order in which they start. */
export function containersOf(spec: PodSpec): { container: AnyContainer; kind: ContainerKind }[] {
  return [
    ...(spec.initContainers ?? []).map((container) => ({
      container,
      kind: isSidecar(container) ? ('sidecar' as const) : ('init' as const),
    })),
    ...spec.containers.map((container) => ({ container, kind: 'app' as const })),
    ...(spec.ephemeralContainers ?? []).map((container) => ({ container, kind: 'ephemeral' as const })),
  ]
}

/** The newest sandbox, running or not. */
export function newestSandbox(view: Pick<PodView, 'observed'>): RuntimeContainer | undefined {
  return newest(view.observed.filter((one) => one.role === 'sandbox'))
}

/** Instances of one container, newest first. */
export function instancesOf(view: Pick<PodView, 'observed'>, name: string): RuntimeContainer[] {
  return view.observed
    .filter((one) => one.role === 'container' && one.name === name)
    .toSorted((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)
}

const newest = (all: RuntimeContainer[]): RuntimeContainer | undefined =>
  all.toSorted((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)[0]

/** Whether a running container has passed its startup probe (a container without one has). */
export function hasStarted(view: PodView, container: AnyContainer, instance: RuntimeContainer): boolean {
  if (instance.state !== 'running') return false
  return container.startupProbe === undefined || view.probes.get(instance.id)?.startup === true
}

/** Phases that a pod never leaves. */
export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed'

export function statusOf(pod: Pod, name: string): ContainerStatus | undefined {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {}
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].find(
    (one) => one.name === name,
  )
}
