import type { Pod } from '../../api/kinds.ts'
import { parseQuantity, quantityMilliValue, quantityValue } from '../../lib/quantity.ts'
import type { Resources } from '../../runtime/runtime.ts'
import type { AnyContainer } from './pod-view.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** Quality of service class by cpu and memory of all containers (upstream pkg/apis/core/v1/helper/qos). */
export function qosClass(pod: Pod): QosClass {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  let any = false
  let guaranteed = true
  for (const { resources } of all) {
    for (const resource of ['cpu', 'memory'] as const) {
      const limit = positive(resources?.limits?.[resource])
      const request = positive(resources?.requests?.[resource]) ?? limit
      if (limit !== undefined || request !== undefined) any = true
      if (limit === undefined || request !== limit) guaranteed = false
    }
  }
  if (!any) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

function positive(text: string | undefined): bigint | undefined {
  const nano = text === undefined ? 0n : parseQuantity(text).nano
  return nano > 0n ? nano : undefined
}

/** Order in which the kernel ends containers when memory runs out (upstream pkg/kubelet/qos/policy.go). */
export function oomScoreAdjust(pod: Pod, container: AnyContainer, memoryCapacityBytes: number): number {
  if ((pod.spec?.priority ?? 0) >= 2_000_001_000) return -997
  const quality = qosClass(pod)
  if (quality === 'Guaranteed') return -997
  if (quality === 'BestEffort') return 1000
  const request = quantityValue(container.resources?.requests?.['memory'] ?? '0')
  const adjust = Math.floor(1000 - (1000 * request) / memoryCapacityBytes)
  return adjust < 3 ? 3 : adjust === 1000 ? 999 : adjust
}

const cpuPeriodMicros = 100_000
const minCpuShares = 2
const maxCpuShares = 262_144

/** Requests and limits as the kernel's knobs (upstream pkg/kubelet/cm/helpers_linux.go). */
export function containerResources(container: Pick<AnyContainer, 'resources'>): Resources {
  const { limits = {}, requests = {} } = container.resources ?? {}
  const requestMilli = quantityMilliValue(requests['cpu'] ?? limits['cpu'] ?? '0')
  const limitMilli = quantityMilliValue(limits['cpu'] ?? '0')
  const memoryBytes = quantityValue(limits['memory'] ?? '0')
  return {
    cpuShares: Math.min(maxCpuShares, Math.max(minCpuShares, Math.floor((requestMilli * 1024) / 1000))),
    ...(limitMilli > 0
      ? { cpuQuotaMicros: Math.max(1_000, Math.floor((limitMilli * cpuPeriodMicros) / 1000)), cpuPeriodMicros }
      : {}),
    ...(memoryBytes > 0 ? { memoryBytes } : {}),
  }
}

type ResizePolicy = readonly { readonly resourceName: string; readonly restartPolicy: string }[]

/** Whether the container's own policy asks for a restart when this resource changes. */
export function needsRestart(policy: ResizePolicy | undefined, has: Resources, wanted: Resources): boolean {
  const restarts = (resource: string): boolean =>
    (policy ?? []).some((one) => one.resourceName === resource && one.restartPolicy === 'RestartContainer')
  const cpuChanged = has.cpuShares !== wanted.cpuShares || has.cpuQuotaMicros !== wanted.cpuQuotaMicros
  return (cpuChanged && restarts('cpu')) || (has.memoryBytes !== wanted.memoryBytes && restarts('memory'))
}
