import type { ContainerStatus, Pod } from '../../../api/kinds.ts'
import { humanDuration } from '../../../lib/duration.ts'
import { ageColumn, column, nameColumn, wide } from '../../columns.ts'

/** What `kubectl get pods` says about a pod, decided once for all its cells. */
interface Summary {
  ready: string
  status: string
  restarts: string
}

interface Restarts {
  count: number
  lastMs: number
}

/**
 * Readiness, status word and restarts of a pod, by the rules of upstream's pod printer: what keeps a pod from running
 * is more telling than its phase.
 */
export function summarizePod(pod: Pod, nowMs: number): Summary {
  const { spec, status = {} } = pod
  const initContainers = spec?.initContainers ?? []
  const sidecars = new Set(initContainers.filter((one) => one.restartPolicy === 'Always').map(({ name }) => name))
  const total = (spec?.containers?.length ?? 0) + sidecars.size
  let reason = status.reason || status.phase || ''
  let readyCount = 0
  if (status.conditions?.some((one) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated')) {
    reason = 'SchedulingGated'
  }

  const initRestarts = newRestarts()
  const sidecarRestarts = newRestarts()
  let initReason: string | undefined
  for (const [index, container] of (status.initContainerStatuses ?? []).entries()) {
    addRestarts(initRestarts, container)
    const isSidecar = sidecars.has(container.name)
    if (isSidecar) addRestarts(sidecarRestarts, container)
    if (container.state?.terminated?.exitCode === 0) continue
    if (isSidecar && container.started) {
      if (container.ready) readyCount++
      continue
    }
    initReason = initStatus(container, index, initContainers.length)
    break
  }

  let restarts = initRestarts
  if (initReason !== undefined) reason = initReason
  if (initReason === undefined || hasCondition(pod, 'Initialized')) {
    restarts = sidecarRestarts
    let hasRunning = false
    for (const container of (status.containerStatuses ?? []).toReversed()) {
      addRestarts(restarts, container)
      const { waiting, terminated, running } = container.state ?? {}
      if (waiting?.reason) reason = waiting.reason
      else if (terminated) reason = terminationReason(terminated)
      else if (container.ready && running) {
        hasRunning = true
        readyCount++
      }
    }
    if (reason === 'Completed' && hasRunning) reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady'
  }

  const isOver = status.phase === 'Succeeded' || status.phase === 'Failed'
  if (pod.metadata.deletionTimestamp && status.reason === 'NodeLost') reason = 'Unknown'
  else if (pod.metadata.deletionTimestamp && !isOver) reason = 'Terminating'
  return { ready: `${readyCount}/${total}`, status: reason, restarts: restartText(restarts, nowMs) }
}

function initStatus({ state = {} }: ContainerStatus, index: number, total: number): string {
  const { terminated, waiting } = state
  if (terminated) return `Init:${terminationReason(terminated)}`
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`
  return `Init:${index}/${total}`
}

const terminationReason = ({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }) =>
  reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`)

const hasCondition = (pod: Pod, type: string) =>
  pod.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false

const newRestarts = (): Restarts => ({ count: 0, lastMs: Number.NaN })

function addRestarts(restarts: Restarts, container: ContainerStatus): void {
  restarts.count += container.restartCount ?? 0
  const finishedAt = container.lastState?.terminated?.finishedAt
  const finishedMs = finishedAt ? Date.parse(finishedAt) : Number.NaN
  if (!(restarts.lastMs >= finishedMs)) restarts.lastMs = Number.isNaN(finishedMs) ? restarts.lastMs : finishedMs
}

const restartText = ({ count, lastMs }: Restarts, nowMs: number) =>
  count === 0 || Number.isNaN(lastMs) ? `${count}` : `${count} (${humanDuration(nowMs - lastMs)} ago)`

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`
}

export const podColumns = [
  nameColumn,
  column<Pod>('Ready', (pod, nowMs) => summarizePod(pod, nowMs).ready, {
    description: 'Containers that are ready, of all that run beside each other.',
  }),
  column<Pod>('Status', (pod, nowMs) => summarizePod(pod, nowMs).status, {
    description: 'What the containers of the pod are at, in one word.',
  }),
  column<Pod>('Restarts', (pod, nowMs) => summarizePod(pod, nowMs).restarts, {
    description: 'How often containers of the pod were restarted, and when last.',
  }),
  ageColumn,
  wide<Pod>('IP', ({ status }) => status?.podIPs?.[0]?.ip || status?.podIP || '<none>'),
  wide<Pod>('Node', ({ spec }) => spec?.nodeName || '<none>'),
  wide<Pod>('Nominated Node', ({ status }) => status?.nominatedNodeName || '<none>'),
  wide<Pod>('Readiness Gates', readinessGates),
]
