import type { Service, ServicePort, ServiceSpec } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors, isStatus, type StatusError } from '../api/status-error.ts'
import type { ServiceAddresses } from './ports.ts'
import { completeFamilies } from './service-families.ts'

/** Addresses that change hands with one write of a Service. */
export interface Allocation {
  /** The write failed: what was taken goes back. */
  undo(): Promise<void>
  /** The write is done: what the old state held and the new one does not is released. */
  commit(): Promise<void>
}

/**
 * Fills in what an update left out and the server had given before, and drops what the new type has no use for, so
 * that validation sees the final shape (core/service strategy's patchAllocatedValues and dropTypeDependentFields).
 */
export function carryOverAddresses(next: KubeObject, old: KubeObject | undefined, isDualStack: boolean): void {
  const spec = specOf(next)
  const before = old && specOf(old)
  if (before) {
    if (hasClusterIp(spec) && before.type !== 'ExternalName' && !spec.clusterIP && before.clusterIP) {
      spec.clusterIP = before.clusterIP
      if (!spec.clusterIPs?.length) spec.clusterIPs = before.clusterIPs
    }
    if (usesNodePorts(spec) && usesNodePorts(before)) {
      for (const port of spec.ports ?? []) {
        port.nodePort ||= before.ports?.find((one) => samePort(one, port))?.nodePort
        if (!port.nodePort) delete port.nodePort
      }
    }
    if (usesHealthPort(spec) && usesHealthPort(before)) spec.healthCheckNodePort ||= before.healthCheckNodePort
    dropUnused(spec, before)
  }
  completeFamilies(spec, before, isDualStack)
}

/** Takes and claims what `next` needs and has not. Mutates `next`. Throws StatusError with nothing taken. */
export async function allocateAddresses(
  next: KubeObject,
  old: KubeObject | undefined,
  addresses: ServiceAddresses,
): Promise<Allocation> {
  const spec = specOf(next)
  const before = holdings(old, addresses.secondFamily)
  const taking = createTaking(next, addresses)
  const nodePort = async (wanted: number | undefined, field: string): Promise<number> => {
    if (!wanted) return await taking.anyNodePort()
    if (!before.nodePorts.includes(wanted)) await taking.nodePort(wanted, field)
    return wanted
  }
  try {
    if (hasClusterIp(spec)) {
      await allocateClusterIps(spec, before.clusterIps, addresses, taking)
    }
    if (usesNodePorts(spec)) {
      const ports = spec.ports ?? []
      const isFirst = before.nodePorts.length === 0
      const claimed = new Set<number>()
      for (const [index, one] of ports.entries()) {
        if (!one.nodePort && spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === false) continue
        // One port number by several protocols gets one node port for them all.
        if (isFirst) one.nodePort ||= ports.find((twin) => twin.port === one.port && twin.nodePort)?.nodePort
        if (!one.nodePort || !claimed.has(one.nodePort))
          one.nodePort = await nodePort(one.nodePort, `spec.ports[${index}].nodePort`)
        claimed.add(one.nodePort)
      }
    }
    if (usesHealthPort(spec))
      spec.healthCheckNodePort = await nodePort(spec.healthCheckNodePort, 'spec.healthCheckNodePort')
  } catch (error) {
    await taking.undo()
    throw error
  }
  const after = holdings(next, addresses.secondFamily)
  return {
    undo: () => taking.undo(),
    async commit() {
      taking.settle()
      const clusterIps = before.clusterIps.filter((ip) => !after.clusterIps.includes(ip))
      const nodePorts = before.nodePorts.filter((one) => !after.nodePorts.includes(one))
      if (clusterIps.length + nodePorts.length > 0) await addresses.release({ clusterIps, nodePorts })
    },
  }
}

/** Takes values for one Service. Ended by `undo`, which gives all of them back, or by `settle`: the Service holds them now. */
function createTaking(service: KubeObject, addresses: ServiceAddresses) {
  const owner = service.metadata.uid ?? ''
  const taken = { clusterIps: [] as string[], nodePorts: [] as number[] }
  const claimed = { clusterIps: [] as string[], nodePorts: [] as number[] }

  async function claim(what: { clusterIp?: string; nodePort?: number }, field: string, value: unknown): Promise<void> {
    try {
      await addresses.claim({ ...what, owner })
    } catch (error) {
      if (!isStatus(error, 'Conflict', 'Invalid')) throw error
      const detail = what.clusterIp ? `failed to allocate IP ${what.clusterIp}: ${error.message}` : error.message
      throw refusal(field, value, detail)
    }
  }

  const refusal = (field: string, value: unknown, detail: string): StatusError =>
    errors.invalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', [
      fieldErrors.invalid(field, value, detail),
    ])

  function settle(): void {
    for (const ip of taken.clusterIps.splice(0)) addresses.returnClusterIp(ip)
    for (const port of taken.nodePorts.splice(0)) addresses.returnNodePort(port)
  }

  return {
    async anyClusterIp(): Promise<string> {
      const ip = await takeFrom(addresses, () => addresses.takeClusterIp())
      taken.clusterIps.push(ip)
      return ip
    },
    async anyNodePort(): Promise<number> {
      const port = await takeFrom(addresses, () => addresses.takeNodePort())
      taken.nodePorts.push(port)
      return port
    },
    /** `given`: as the user wrote it. */
    async clusterIp(ip: string, given: readonly string[]): Promise<void> {
      await claim({ clusterIp: ip }, 'spec.clusterIPs', given)
      for (const list of [taken, claimed]) list.clusterIps.push(ip)
    },
    async nodePort(port: number, field: string): Promise<void> {
      await claim({ nodePort: port }, field, port)
      for (const list of [taken, claimed]) list.nodePorts.push(port)
    },
    refusal,
    settle,
    async undo(): Promise<void> {
      settle()
      if (claimed.clusterIps.length + claimed.nodePorts.length > 0) await addresses.release(claimed)
    },
  }
}

/** Each gives as much as the reserve holds: so many Services may be made at once. */
const maxReplenishments = 64

/** Takes out of this node's reserve, and waits for more when many Services are made at once. Throws ServiceUnavailable. */
async function takeFrom<T>(addresses: ServiceAddresses, take: () => T): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return take()
    } catch (usedUp) {
      if (!isStatus(usedUp, 'ServiceUnavailable') || attempt >= maxReplenishments) throw usedUp
      await addresses.replenish().catch((error: unknown) => {
        throw isStatus(error, 'ServiceUnavailable') ? usedUp : error
      })
    }
  }
}

/** One place in the ranges stands for the addresses of both families: what is decided is its IPv4 one. */
async function allocateClusterIps(
  spec: ServiceSpec,
  held: readonly string[],
  { secondFamily }: ServiceAddresses,
  taking: ReturnType<typeof createTaking>,
): Promise<void> {
  const given = (spec.clusterIPs ?? []).filter((ip) => ip !== '')
  const toPlace = (ip: string): string => secondFamily?.toIpv4(ip) ?? ip
  const places = given.map(toPlace)
  const place = places[0] ?? (await taking.anyClusterIp())
  const second = places[1] ?? place
  if (second !== place)
    throw taking.refusal('spec.clusterIPs', given, `the address that goes with ${given[0]} is another one`)
  if (given.length > 0 && !held.includes(place)) await taking.clusterIp(place, given)
  const addressOf = (family: string): string | undefined => (family === 'IPv6' ? secondFamily?.toIpv6(place) : place)
  const families = spec.ipFamilies ?? ['IPv4']
  const found = families.map(addressOf).filter((ip) => ip !== undefined)
  // A range of one family can be added to a cluster of two.
  if (found.length < families.length && (spec.ipFamilyPolicy === 'RequireDualStack' || found.length === 0))
    throw taking.refusal('spec.clusterIPs', given, `the range of ${place} has no addresses of the other family`)
  if (found.length < families.length) spec.ipFamilies = families.filter((family) => addressOf(family) !== undefined)
  spec.clusterIPs = found
  spec.clusterIP = found[0]
}

/** What a Service holds of the cluster's address space. An IPv6 address is named by the IPv4 one that goes with it. */
export function holdings(
  service: KubeObject | undefined,
  secondFamily?: ServiceAddresses['secondFamily'],
): { clusterIps: string[]; nodePorts: number[] } {
  const spec = service && specOf(service)
  if (!spec) return { clusterIps: [], nodePorts: [] }
  const ports = (spec.ports ?? []).map((one) => one.nodePort ?? 0)
  const ip = hasClusterIp(spec) ? spec.clusterIP : undefined
  return {
    clusterIps: ip ? [secondFamily?.toIpv4(ip) ?? ip] : [],
    nodePorts: [...new Set([...ports, spec.healthCheckNodePort ?? 0])].filter((one) => one > 0),
  }
}

function dropUnused(spec: ServiceSpec, before: ServiceSpec): void {
  if (spec.type === 'ExternalName') {
    if (before.type !== 'ExternalName') {
      if (spec.clusterIP === before.clusterIP) delete spec.clusterIP
      delete spec.clusterIPs
      delete spec.ipFamilies
      delete spec.ipFamilyPolicy
    }
  }
  // Ports that the user set by hand in the same update stay, and are then refused by validation.
  if (!usesNodePorts(spec) && usesNodePorts(before)) {
    for (const port of spec.ports ?? []) {
      if (before.ports?.some((one) => one.nodePort === port.nodePort)) delete port.nodePort
    }
  }
  dropSame(spec, before, 'healthCheckNodePort', usesHealthPort)
  dropSame(spec, before, 'externalTrafficPolicy', isExternal)
  dropSame(spec, before, 'allocateLoadBalancerNodePorts', isLoadBalancer)
  dropSame(spec, before, 'loadBalancerClass', isLoadBalancer)
}

/** A value that only the old type had a use for, and that nobody touched in this update. */
function dropSame(
  spec: ServiceSpec,
  before: ServiceSpec,
  field: 'healthCheckNodePort' | 'externalTrafficPolicy' | 'allocateLoadBalancerNodePorts' | 'loadBalancerClass',
  uses: (spec: ServiceSpec) => boolean,
): void {
  if (!uses(spec) && uses(before) && spec[field] === before[field]) delete spec[field]
}

const specOf = (object: KubeObject): ServiceSpec => ((object as Service).spec ??= {})
const hasClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName' && spec.clusterIP !== 'None'
const usesNodePorts = (spec: ServiceSpec): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer'
const isLoadBalancer = (spec: ServiceSpec): boolean => spec.type === 'LoadBalancer'
/** Reached from outside of the cluster. */
const isExternal = (spec: ServiceSpec): boolean =>
  usesNodePorts(spec) || (spec.type !== 'ExternalName' && (spec.externalIPs ?? []).length > 0)
const usesHealthPort = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
const samePort = (a: ServicePort, b: ServicePort): boolean =>
  a.port === b.port && (a.protocol ?? 'TCP') === (b.protocol ?? 'TCP')
