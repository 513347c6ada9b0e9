import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/kinds.ts'
import { isKubeletCondition, podConditions } from './conditions.ts'
import { containerStatuses, timeText } from './container-status.ts'
import { podResizeConditions } from './resize.ts'
import { ruleFor } from './restart.ts'
import { isSidecar, isTerminalPhase, newestSandbox, type PodView } from './pod-view.ts'

/**
 * The status that a pod has by what is observed (upstream pkg/kubelet/kubelet_pods.go, generateAPIPodStatus). Terminal
 * phases stay, and are not entered while a container still runs.
 */
export function podStatus(view: PodView, runtimeName: string, nowMs: number): PodStatus {
  const { pod, stop } = view
  const initStatuses = containerStatuses(view, ['init', 'sidecar'], runtimeName)
  const statuses = containerStatuses(view, ['app'], runtimeName)
  const ephemeral = containerStatuses(view, ['ephemeral'], runtimeName)
  const running = view.observed.some((one) => one.role === 'container' && one.state === 'running')
  const phase = settledPhase(view, initStatuses, statuses, running)
  const failure = stop?.failure ?? (isTerminalPhase(pod.status?.phase) ? reportedFailure(pod) : undefined)
  const sandbox = newestSandbox(view)
  const networkReady = pod.spec?.hostNetwork === true || view.podIp !== undefined
  const second = pod.spec?.hostNetwork !== true && view.secondPodIp !== undefined ? [view.secondPodIp] : []
  const ip = pod.spec?.hostNetwork === true ? view.hostIp : (view.podIp ?? pod.status?.podIP)
  const conditions = podConditions(
    {
      pod,
      phase: stop?.failure === undefined ? phase : 'Failed',
      sandboxReady: sandbox?.state === 'running' && networkReady,
      initStatuses,
      statuses,
    },
    timeText(nowMs),
  )
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: [...foreignConditions(pod), ...conditions, ...podResizeConditions(pod, view.resize, nowMs)],
    ...(failure === undefined ? {} : { reason: failure.reason, message: failure.message }),
    hostIP: view.hostIp,
    hostIPs: [{ ip: view.hostIp }],
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [ip, ...second].map((one) => ({ ip: one })) }),
    startTime: pod.status?.startTime ?? timeText(view.startedAtMs),
    ...(initStatuses.length === 0 ? {} : { initContainerStatuses: initStatuses }),
    containerStatuses: statuses,
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
    ...(pod.status?.qosClass === undefined ? {} : { qosClass: pod.status.qosClass }),
    ...(pod.status?.nominatedNodeName === undefined ? {} : { nominatedNodeName: pod.status.nominatedNodeName }),
  }
}

/** Conditions of others: readiness gates, DisruptionTarget. */
const foreignConditions = (pod: Pod): PodCondition[] =>
  (pod.status?.conditions ?? []).filter((condition) => !isKubeletCondition(condition.type))

function reportedFailure(pod: Pod): { reason: string; message: string } | undefined {
  const { reason, message } = pod.status ?? {}
  return reason === undefined ? undefined : { reason, message: message ?? '' }
}

function settledPhase(
  view: PodView,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  running: boolean,
): string {
  const reported = view.pod.status?.phase
  if (isTerminalPhase(reported)) return reported ?? ''
  const { stop } = view
  const phase = podPhase(view.pod, initStatuses, statuses, stop !== undefined)
  const before = reported === undefined || reported === '' ? 'Pending' : reported
  if (running && isTerminalPhase(phase)) return before
  if (stop?.failure !== undefined) return running || !stop.finished ? before : 'Failed'
  if (stop?.finished) return isTerminalPhase(phase) ? phase : 'Failed'
  return phase
}

/** Phase by container states (upstream getPhase). `ending`: nothing will be restarted any more. */
export function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  ending: boolean,
): string {
  const policy = pod.spec?.restartPolicy ?? 'Always'
  const startsOver = !ending && asksForAll(pod, [...initStatuses, ...statuses])
  const count = { pendingInit: 0, failedInit: 0, running: 0, waiting: 0, stopped: 0, succeeded: 0 }
  for (const container of pod.spec?.initContainers ?? []) {
    const status = initStatuses.find((one) => one.name === container.name)
    if (isSidecar(container)) {
      if (
        status?.started !== true &&
        status?.lastState?.terminated === undefined &&
        status?.state?.terminated === undefined
      ) {
        count.pendingInit++
      }
      continue
    }
    const ended = status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined)
    if (ended === undefined) count.pendingInit++
    else if (ended.exitCode !== 0) {
      const never = (container.restartPolicy ?? policy) === 'Never' && ruleFor(container, ended.exitCode) === undefined
      if (never || ending) count.failedInit++
      else count.pendingInit++
    }
  }
  for (const { state, lastState } of statuses) {
    if (state?.running) count.running++
    else if (state?.terminated) {
      count.stopped++
      if (state.terminated.exitCode === 0) count.succeeded++
    } else if (lastState?.terminated) count.stopped++
    else count.waiting++
  }
  // What ends because all are to start anew is no end of the pod.
  if (startsOver) return count.pendingInit + count.failedInit > 0 ? 'Pending' : 'Running'
  if (count.failedInit > 0) return 'Failed'
  if (count.pendingInit > 0 || count.waiting > 0) return 'Pending'
  if (count.running > 0) return 'Running'
  if (count.stopped === 0) return 'Pending'
  if (count.succeeded === count.stopped) return ending || policy !== 'Always' ? 'Succeeded' : 'Running'
  return ending || willNeverRestart(pod, statuses) ? 'Failed' : 'Running'
}

/** Whether a container has ended in a way after which all of them start anew. */
const asksForAll = ({ spec }: Pod, statuses: readonly ContainerStatus[]): boolean =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some((container) => {
    const ended = statuses.find(({ name }) => name === container.name)?.state?.terminated
    return ended !== undefined && ruleFor(container, ended.exitCode)?.action === 'RestartAllContainers'
  })

/** Whether every container that failed stays so. */
function willNeverRestart(pod: Pod, statuses: readonly ContainerStatus[]): boolean {
  return (pod.spec?.containers ?? []).every((container) => {
    const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always'
    const ended = statuses.find((one) => one.name === container.name)?.state?.terminated
    if (ended === undefined) return false
    const isRuled = ruleFor(container, ended.exitCode) !== undefined
    return !isRuled && (policy === 'Never' || (policy === 'OnFailure' && ended.exitCode === 0))
  })
}
