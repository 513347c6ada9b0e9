import type { PersistentVolumeClaim, Pod, ResourceV1ResourceClaim, Service } from '../../api/kinds.ts'
import { groupResourceName, type GroupResource, type KubeObject } from '../../api/object.ts'
import { addQuantity, parseQuantity, quantityOf, compareQuantity, type Quantity } from '../../lib/quantity.ts'

/** Amounts by quota resource name: `pods`, `requests.cpu`, `count/jobs.batch`. */
export type Usage = Record<string, Quantity>

const one = quantityOf(1)
/** Resources whose own name counts their objects, besides `count/<name>`. */
const countedByName = new Set([
  'services',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
])

/** What one object uses of a quota (upstream's evaluators). Pure. */
export function usageOf(ref: GroupResource, object: KubeObject): Usage {
  const name = groupResourceName(ref)
  const usage: Usage = { [`count/${name}`]: one }
  if (countedByName.has(name)) usage[name] = one
  if (name === 'pods') addPodUsage(object as Pod, usage)
  if (name === 'services') addServiceUsage(object as Service, usage)
  if (name === 'persistentvolumeclaims') addClaimUsage(object as PersistentVolumeClaim, usage)
  if (name === 'resourceclaims.resource.k8s.io') addDeviceUsage(object as ResourceV1ResourceClaim, usage)
  return usage
}

/** Sum by name. */
export function addUsage(left: Usage, right: Usage): Usage {
  const sum = { ...left }
  for (const [name, amount] of Object.entries(right)) sum[name] = sum[name] ? addQuantity(sum[name], amount) : amount
  return sum
}

/** A pod that has ended uses nothing but its place in the count of objects. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

function addPodUsage(pod: Pod, usage: Usage): void {
  if (isTerminal(pod)) return
  usage['pods'] = one
  const requests = podAmounts(pod, 'requests')
  const limits = podAmounts(pod, 'limits')
  for (const [name, amount] of Object.entries(requests)) {
    usage[`requests.${name}`] = amount
    // The bare names are old forms of the requests.
    if (['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')) usage[name] = amount
  }
  for (const [name, amount] of Object.entries(limits)) usage[`limits.${name}`] = amount
}

/** Main and restartable init containers together, or the largest init container, plus the overhead. */
function podAmounts(pod: Pod, which: 'requests' | 'limits'): Usage {
  const amounts = (
    resources: { requests?: Record<string, string | number>; limits?: Record<string, string | number> } | undefined,
  ): Usage =>
    Object.fromEntries(Object.entries(resources?.[which] ?? {}).map(([name, text]) => [name, parseQuantity(text)]))
  const init = pod.spec?.initContainers ?? []
  const running = [...(pod.spec?.containers ?? []), ...init.filter(({ restartPolicy }) => restartPolicy === 'Always')]
  let total = running.map(({ resources }) => amounts(resources)).reduce(addUsage, {})
  for (const { resources } of init) {
    for (const [name, amount] of Object.entries(amounts(resources))) {
      if (!total[name] || compareQuantity(amount, total[name]) > 0) total[name] = amount
    }
  }
  const overhead = Object.entries(pod.spec?.overhead ?? {}).filter(([name]) => which === 'requests' || total[name])
  total = addUsage(total, Object.fromEntries(overhead.map(([name, text]) => [name, parseQuantity(text)])))
  return total
}

function addServiceUsage(service: Service, usage: Usage): void {
  const { type = 'ClusterIP', ports = [], allocateLoadBalancerNodePorts } = service.spec ?? {}
  if (type === 'LoadBalancer') usage['services.loadbalancers'] = one
  if (type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false)) {
    usage['services.nodeports'] = quantityOf(ports.length)
  }
}

function addClaimUsage(claim: PersistentVolumeClaim, usage: Usage): void {
  const size = claim.spec?.resources?.requests?.['storage']
  const className = claim.spec?.storageClassName
  if (size !== undefined) usage['requests.storage'] = parseQuantity(size)
  if (!className) return
  const prefix = `${className}.storageclass.storage.k8s.io`
  usage[`${prefix}/persistentvolumeclaims`] = one
  if (size !== undefined) usage[`${prefix}/requests.storage`] = parseQuantity(size)
}

/** Most devices that one claim can be given: what asks for all of them counts as much. */
const maxDevices = 32

type DeviceRequest = { deviceClassName?: string; allocationMode?: string; count?: number }

/** Devices by their class; of alternatives the most that any of them might take. */
function addDeviceUsage({ spec }: ResourceV1ResourceClaim, usage: Usage): void {
  for (const request of spec.devices?.requests ?? []) {
    const alternatives: DeviceRequest[] = request.firstAvailable ?? [request.exactly ?? {}]
    const most: Usage = {}
    for (const { deviceClassName = '', allocationMode, count = 1 } of alternatives) {
      const name = `${deviceClassName}.deviceclass.resource.k8s.io/devices`
      const devices = quantityOf(allocationMode === 'All' ? maxDevices : count)
      if (!most[name] || compareQuantity(devices, most[name]) > 0) most[name] = devices
    }
    Object.assign(usage, addUsage(usage, most))
  }
}
