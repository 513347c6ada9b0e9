import type { ContainerStatus, Pod, PodCondition } from '../../api/kinds.ts'
import { isSidecar } from './pod-view.ts'
import { resizeConditions } from './resize.ts'

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

const lastingConditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']

/** Whether the kubelet owns this condition type; others in the object are left as they are. */
export const isKubeletCondition = (type: string): boolean =>
  lastingConditions.includes(type) || resizeConditions.some((one) => one === type)

export interface ConditionInput {
  readonly pod: Pod
  readonly phase: string
  readonly sandboxReady: boolean
  readonly initStatuses: readonly ContainerStatus[]
  readonly statuses: readonly ContainerStatus[]
}

/** The five conditions of a pod (upstream pkg/kubelet/status/generate.go), with transition times kept where nothing changed. */
export function podConditions(input: ConditionInput, now: string): PodCondition[] {
  const containersReady = containersReadyVerdict(input)
  const verdicts: Record<string, Verdict> = {
    PodReadyToStartContainers: { status: input.sandboxReady ? 'True' : 'False' },
    Initialized: initializedVerdict(input),
    Ready: readyVerdict(input, containersReady),
    ContainersReady: containersReady,
    PodScheduled: { status: 'True' },
  }
  const before = input.pod.status?.conditions ?? []
  return lastingConditions.map((type) => {
    const old = before.find((condition) => condition.type === type)
    const verdict = verdicts[type] ?? { status: 'Unknown' }
    const { generation } = input.pod.metadata
    return {
      type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status: verdict.status,
      ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
      ...(verdict.message === undefined ? {} : { message: verdict.message }),
      lastTransitionTime: old?.status === verdict.status && old.lastTransitionTime ? old.lastTransitionTime : now,
    }
  })
}

function initializedVerdict({ pod, phase, initStatuses }: ConditionInput): Verdict {
  const containers = pod.spec?.initContainers ?? []
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  const incomplete = containers.filter((container) => {
    const status = initStatuses.find((one) => one.name === container.name)
    return isSidecar(container) ? status?.started !== true : status?.ready !== true
  })
  if (incomplete.length === 0) return { status: 'True' }
  const names = incomplete.map((container) => container.name).join(' ')
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names}]`,
  }
}

function containersReadyVerdict({ pod, phase, initStatuses, statuses }: ConditionInput): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar).map((container) => container.name)
  const counted = [...initStatuses.filter((status) => sidecars.includes(status.name)), ...statuses]
  const unready = counted.filter((status) => !status.ready).map((status) => status.name)
  if (unready.length === 0) return { status: 'True' }
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  }
}

function readyVerdict({ pod }: ConditionInput, containersReady: Verdict): Verdict {
  if (containersReady.status !== 'True') return containersReady
  const conditions = pod.status?.conditions ?? []
  const missing = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = conditions.find((one) => one.type === conditionType)
    if (condition === undefined) {
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    }
    if (condition.status === 'True') return []
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`]
  })
  if (missing.length === 0) return { status: 'True' }
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') }
}
