import type { Pod, PodSpec } from '../../api/kinds.ts'
import { qosClassOf } from '../../kinds/core/pod/qos.ts'
import { quantityMilliValue, quantityValue } from '../../lib/quantity.ts'
import type { Resources } from '../../runtime/runtime.ts'
import type { AnyContainer } from './pod-view.ts'

type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** The pod's quality of service class. */
export const qosClass = (pod: Pod): QosClass => qosClassOf(pod.spec ?? { containers: [] })

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

/**
 * Requests and limits as the kernel's knobs (upstream pkg/kubelet/cm/helpers_linux.go). A container without a limit of
 * its own is held to that of its pod (KEP-2837); not promised: that several such containers stay below it together.
 */
export function containerResources({ resources = {} }: Pick<AnyContainer, 'resources'>, spec: PodSpec): Resources {
  const { limits = {}, requests = {} } = resources
  const limitOf = (name: string): string => limits[name] ?? spec.resources?.limits?.[name] ?? '0'
  const requestMilli = quantityMilliValue(requests['cpu'] ?? limits['cpu'] ?? '0')
  const limitMilli = quantityMilliValue(limitOf('cpu'))
  const memoryBytes = quantityValue(limitOf('memory'))
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
