import type { ContainerImage, Node, NodeCondition, NodeStatus } from '../../api/kinds.ts'
import { formatQuantity, parseQuantity, subtractQuantity, zeroQuantity, compareQuantity } from '../../lib/quantity.ts'
import type { RuntimeVersion } from '../../runtime/runtime.ts'
import type { DeviceResources } from '../devices/device-manager.ts'
import type { KubeletOptions } from '../options.ts'
import type { Machine, Pressure } from './machine.ts'
import { thresholds } from './thresholds.ts'

/** Images told to the scheduler (upstream nodeStatusMaxImages). */
const maxImages = 50

export const defaultVersion = 'v1.36.0+stormo'
const defaultMaxPods = 110

export interface NodeFacts {
  readonly machine: Machine
  readonly pressure: Pressure
  /** Undefined while the runtime does not answer. */
  readonly runtime: RuntimeVersion | undefined
  readonly runtimeError: string | undefined
  readonly images: readonly ContainerImage[]
  readonly volumesInUse: readonly string[]
  readonly devices: DeviceResources
}

export function nodeCapacity(options: KubeletOptions, machine: Machine): Record<string, string> {
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': `${Math.floor(machine.diskBytes / 1024)}Ki`,
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    pods: String(options.maxPods ?? defaultMaxPods),
  }
}

/** What others say that the node has (device plugins, administrators): resources of a domain that is not Kubernetes' own. */
export function extendedResources(capacity: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const isExtended = (resource: string): boolean => resource.includes('/') && !resource.includes('kubernetes.io/')
  return Object.fromEntries(Object.entries(capacity ?? {}).filter(([resource]) => isExtended(resource)))
}

/** Capacity without what is set apart for the system, never below zero. */
export function nodeAllocatable(
  options: KubeletOptions,
  capacity: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(capacity).map(([resource, amount]) => {
      const reserved = options.systemReserved?.[resource]
      if (reserved === undefined) return [resource, amount]
      const left = subtractQuantity(parseQuantity(amount), parseQuantity(reserved))
      return [resource, formatQuantity(compareQuantity(left, zeroQuantity) < 0 ? zeroQuantity : left)]
    }),
  )
}

/** Labels that the kubelet sets itself. */
export function nodeLabels(options: KubeletOptions, machine: Machine): Record<string, string> {
  return {
    'kubernetes.io/hostname': options.nodeName,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': machine.architecture,
    ...options.nodeLabels,
  }
}

export function newNode(options: KubeletOptions, machine: Machine): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: options.nodeName,
      labels: nodeLabels(options, machine),
      ...(options.nodeAnnotations ? { annotations: { ...options.nodeAnnotations } } : {}),
    },
    spec: {
      podCIDR: options.podCidr,
      podCIDRs: podCidrs(options),
      ...(options.nodeTaints?.length ? { taints: [...options.nodeTaints] } : {}),
    },
  }
}

/** The kubelet's part of a Node's status. Conditions keep their times while they do not change. */
export function nodeStatus(
  options: KubeletOptions,
  facts: NodeFacts,
  before: NodeStatus | undefined,
  now: string,
): NodeStatus {
  const { machine, runtime } = facts
  const own = { ...nodeCapacity(options, machine), ...facts.devices.capacity }
  const capacity = { ...extendedResources(before?.capacity), ...own }
  const version = options.version ?? defaultVersion
  const addresses = [
    { type: 'InternalIP', address: options.nodeIp },
    { type: 'Hostname', address: options.hostname ?? options.nodeName },
  ]
  // What a cloud provider knows besides stays.
  const foreign = (before?.addresses ?? []).filter(({ type }) => addresses.every((own) => own.type !== type))
  return {
    addresses: [...addresses, ...foreign],
    capacity,
    allocatable: { ...nodeAllocatable(options, capacity), ...facts.devices.allocatable },
    conditions: nodeConditions(facts, before?.conditions ?? [], now),
    ...(options.kubeletPort ? { daemonEndpoints: { kubeletEndpoint: { Port: options.kubeletPort } } } : {}),
    nodeInfo: {
      architecture: machine.architecture,
      bootID: machine.bootId,
      containerRuntimeVersion:
        runtime === undefined
          ? (before?.nodeInfo?.containerRuntimeVersion ?? '')
          : `${runtime.name}://${runtime.version}`,
      kernelVersion: machine.kernelVersion,
      kubeProxyVersion: '',
      kubeletVersion: version,
      machineID: machine.machineId,
      operatingSystem: 'linux',
      osImage: machine.osImage,
      systemUUID: machine.machineId,
    },
    images: facts.images.slice(0, maxImages),
    // Named even when there are none: what was there before is to go.
    volumesInUse: facts.volumesInUse.length === 0 ? undefined : [...facts.volumesInUse],
  }
}

function nodeConditions(facts: NodeFacts, before: readonly NodeCondition[], now: string): NodeCondition[] {
  const { pressure } = facts
  const lowDisk = pressure.diskAvailableRatio < thresholds.disk || pressure.inodesAvailableRatio < thresholds.inodes
  const all = [
    pressureCondition(
      'MemoryPressure',
      pressure.memoryAvailableBytes < thresholds.memoryBytes,
      'Memory',
      'sufficient memory',
    ),
    pressureCondition('DiskPressure', lowDisk, 'Disk', 'no disk pressure'),
    pressureCondition('PIDPressure', pressure.pidsAvailableRatio < thresholds.pids, 'PID', 'sufficient PID'),
    facts.runtimeError === undefined
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: `container runtime is down: ${facts.runtimeError}`,
        },
  ]
  return all.map((condition) => {
    const old = before.find((one) => one.type === condition.type)
    const same =
      old?.status === condition.status && old.reason === condition.reason && old.message === condition.message
    return {
      ...condition,
      lastHeartbeatTime: same && old.lastHeartbeatTime ? old.lastHeartbeatTime : now,
      lastTransitionTime: old?.status === condition.status && old.lastTransitionTime ? old.lastTransitionTime : now,
    }
  })
}

function pressureCondition(type: string, pressed: boolean, name: string, good: string) {
  return pressed
    ? {
        type,
        status: 'True',
        reason: `KubeletHasInsufficient${name}`.replace('InsufficientDisk', 'DiskPressure'),
        message: `kubelet has ${name === 'Disk' ? 'disk pressure' : `insufficient ${name === 'PID' ? 'PID' : 'memory'} available`}`,
      }
    : {
        type,
        status: 'False',
        reason: name === 'Disk' ? 'KubeletHasNoDiskPressure' : `KubeletHasSufficient${name}`,
        message: `kubelet has ${good}${name === 'Disk' ? '' : ' available'}`,
      }
}

/** Ranges of the node's pods, of each family. */
export const podCidrs = ({ podCidr, podCidr6 }: Pick<KubeletOptions, 'podCidr' | 'podCidr6'>): string[] => [
  podCidr,
  ...(podCidr6 ? [podCidr6] : []),
]
