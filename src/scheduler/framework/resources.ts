import type { Container, Pod } from '../../api/kinds.ts'
import { quantityMilliValue, quantityValue } from '../../lib/quantity.ts'

/** Amounts by resource name: cpu in millicores, everything else in whole units (bytes, pieces). */
export type Resources = Map<string, number>

/** What a pod counts at least in scoring when it asks for nothing (upstream's schedutil defaults). */
export const defaultCpuMilli = 100
export const defaultMemoryBytes = 200 * 1024 * 1024

const amountOf = (name: string, text: string | number): number =>
  name === 'cpu' ? quantityMilliValue(text) : quantityValue(text)

export function resourcesOf(quantities: Readonly<Record<string, string>> | undefined): Resources {
  const result: Resources = new Map()
  for (const [name, text] of Object.entries(quantities ?? {})) result.set(name, amountOf(name, text))
  return result
}

export function add(to: Resources, more: Iterable<readonly [string, number]>, sign: 1 | -1 = 1): void {
  for (const [name, amount] of more) to.set(name, (to.get(name) ?? 0) + sign * amount)
}

function raiseTo(to: Resources, other: ReadonlyMap<string, number>): void {
  for (const [name, amount] of other) to.set(name, Math.max(to.get(name) ?? 0, amount))
}

/** The resources that may be asked for by the pod as a whole (KEP-2837). */
const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')

/**
 * What a pod asks of its node (KEP-753): the sum of its containers and sidecars, or the largest of its init containers
 * with the sidecars that run before it, whichever is more. Pod-level requests take its place; overhead comes on top.
 * While a resize is under way, what a container holds still counts (KEP-1287).
 */
export function podRequests(pod: Pod): Resources {
  const result: Resources = new Map()
  const sidecars: Resources = new Map()
  const peak: Resources = new Map()
  for (const container of pod.spec?.containers ?? []) add(result, requestsOf(pod, container))
  for (const container of pod.spec?.initContainers ?? []) {
    const asked = requestsOf(pod, container)
    if (container.restartPolicy === 'Always') {
      add(sidecars, asked)
      raiseTo(peak, sidecars)
    } else {
      const together = new Map(asked)
      add(together, sidecars)
      raiseTo(peak, together)
    }
  }
  add(result, sidecars)
  raiseTo(result, peak)
  for (const [name, amount] of resourcesOf(pod.spec?.resources?.requests))
    if (isPodLevel(name)) result.set(name, amount)
  add(result, resourcesOf(pod.spec?.overhead))
  return result
}

function requestsOf(pod: Pod, container: Container): Resources {
  const result = resourcesOf(container.resources?.requests)
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {}
  const status =
    containerStatuses.find(({ name }) => name === container.name) ??
    initContainerStatuses.find(({ name }) => name === container.name)
  raiseTo(result, resourcesOf(status?.allocatedResources))
  return result
}
