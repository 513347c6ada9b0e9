import type { ContainerState, ContainerStatus } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import {
  containersOf,
  hasStarted,
  instancesOf,
  statusOf,
  type AnyContainer,
  type ContainerKind,
  type PodView,
} from './pod-view.ts'
import { exitCodeOf, shouldRestart } from './restart.ts'

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

/** Statuses of the containers of the given kinds, in the spec's order. */
export function containerStatuses(
  view: PodView,
  kinds: readonly ContainerKind[],
  runtimeName: string,
): ContainerStatus[] {
  return containersOf(view.pod.spec ?? { containers: [] })
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ container, kind }) => containerStatus(view, container, kind, runtimeName))
}

function containerStatus(
  view: PodView,
  container: AnyContainer,
  kind: ContainerKind,
  runtimeName: string,
): ContainerStatus {
  const [latest, before] = instancesOf(view, container.name)
  const reported = statusOf(view.pod, container.name)
  const state = currentState(view, container, kind, latest, runtimeName)
  const lastEnded = state.terminated === undefined && latest?.state === 'exited' ? latest : before
  const lastState: ContainerState =
    lastEnded?.state === 'exited'
      ? { terminated: terminated(view, lastEnded, runtimeName) }
      : latest === undefined && reported?.state?.terminated !== undefined
        ? { terminated: reported.state.terminated }
        : (reported?.lastState ?? {})
  const started = latest !== undefined && hasStarted(view, container, latest)
  return {
    name: container.name,
    state,
    lastState,
    ready: isReady(view, container, kind, latest, started),
    restartCount: latest?.attempt ?? reported?.restartCount ?? 0,
    image: latest?.imageRef ?? container.image ?? '',
    imageID: latest?.imageId ?? '',
    ...(latest === undefined ? {} : { containerID: `${runtimeName}://${latest.id}` }),
    started,
    ...resourcesStatus(view, container, latest),
    ...mountsStatus(container),
    ...(container.lifecycle?.stopSignal ? { stopSignal: container.lifecycle.stopSignal } : {}),
  }
}

/** What is granted, and what is in force: of a container that does not run they are the same. */
function resourcesStatus(
  view: PodView,
  container: AnyContainer,
  latest: RuntimeContainer | undefined,
): Pick<ContainerStatus, 'resources' | 'allocatedResources'> {
  const granted = container.resources
  const inForce = (latest?.state === 'running' ? view.resourcesInForce.get(latest.id) : undefined) ?? granted
  return {
    ...(inForce === undefined ? {} : { resources: inForce }),
    ...(granted?.requests === undefined ? {} : { allocatedResources: granted.requests }),
  }
}

/** Recursive read-only mounts (KEP-3857) are not asked of the engine: what is mounted below keeps its own mode. */
function mountsStatus({ volumeMounts = [] }: AnyContainer): Pick<ContainerStatus, 'volumeMounts'> {
  if (volumeMounts.length === 0) return {}
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    })),
  }
}

function currentState(
  view: PodView,
  container: AnyContainer,
  kind: ContainerKind,
  latest: RuntimeContainer | undefined,
  runtimeName: string,
): ContainerState {
  const failure = view.failures.get(container.name)
  if (latest?.state === 'running') return { running: { startedAt: timeText(latest.startedAtMs) } }
  if (view.stop?.finished && latest?.state !== 'exited') return { terminated: unknownEnd }
  if (latest?.state === 'exited') {
    const again =
      view.stop === undefined && shouldRestart(view.pod.spec?.restartPolicy ?? 'Always', kind, container, latest)
    if (again && failure !== undefined) return { waiting: failure }
    return { terminated: terminated(view, latest, runtimeName) }
  }
  if (failure !== undefined) return { waiting: failure }
  const hasInit = (view.pod.spec?.initContainers ?? []).length > 0
  return { waiting: { reason: hasInit && kind !== 'ephemeral' ? 'PodInitializing' : 'ContainerCreating' } }
}

/** What is said of a container of which nothing is left when its pod ends. */
const unknownEnd = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
}

function terminated(
  view: PodView,
  ended: RuntimeContainer,
  runtimeName: string,
): NonNullable<ContainerState['terminated']> {
  const exitCode = exitCodeOf(ended)
  const message = ended.startedAtMs === 0 ? ended.error : view.terminationMessages.get(ended.id)
  return {
    exitCode,
    reason: endReason(ended, exitCode),
    ...(message ? { message } : {}),
    startedAt: timeText(ended.startedAtMs),
    finishedAt: timeText(ended.finishedAtMs),
    containerID: `${runtimeName}://${ended.id}`,
  }
}

function endReason(ended: RuntimeContainer, exitCode: number): string {
  if (ended.startedAtMs === 0) return 'StartError'
  if (ended.oomKilled) return 'OOMKilled'
  return exitCode === 0 ? 'Completed' : 'Error'
}

function isReady(
  view: PodView,
  container: AnyContainer,
  kind: ContainerKind,
  latest: RuntimeContainer | undefined,
  started: boolean,
): boolean {
  if (kind === 'ephemeral') return false
  if (kind === 'init') return latest?.state === 'exited' && latest.exitCode === 0 && latest.startedAtMs > 0
  if (latest?.state !== 'running' || !started) return false
  return container.readinessProbe === undefined || view.probes.get(latest.id)?.readiness === true
}
