import type { Node, Pod } from '../../api/kinds.ts'
import { podInfoOf, type HostPort } from '../../scheduler/framework/pod-info.ts'
import { resourcesOf } from '../../scheduler/framework/resources.ts'
import { matchesNode } from '../../api/node-selector.ts'
import type { StartFailure } from './pod-view.ts'

/** Sysctls of the pod's own namespaces that need nobody's leave (upstream pkg/kubelet/sysctl/safe_sysctls.go). */
const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
])

export interface AdmissionInput {
  readonly pod: Pod
  /** As this node has registered it; undefined until it has. */
  readonly node: Node | undefined
  readonly allocatable: Readonly<Record<string, string>>
  /** Pods that this node has taken and that have not ended. */
  readonly others: readonly Pod[]
}

/**
 * Why this node does not take a pod that is bound to it (upstream pkg/kubelet/lifecycle/predicate.go and sysctl): the
 * last check, for pods that name their node themselves and for schedulers that knew less than the node does.
 */
export function refusal({ pod, node, allocatable, others }: AdmissionInput): StartFailure | undefined {
  return (
    operatingSystem(pod) ??
    sysctls(pod) ??
    groupsPolicy(pod) ??
    resources(pod, allocatable, others) ??
    hostPorts(pod, others) ??
    (node === undefined || matchesNode(pod.spec, node)
      ? undefined
      : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector"))
  )
}

const predicate = (name: string, why: string): StartFailure => ({
  reason: name,
  message: `Predicate ${name} failed: ${why}`,
})

function operatingSystem({ spec }: Pod): StartFailure | undefined {
  if (spec?.os !== undefined && spec.os.name !== 'linux') {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" }
  }
  const selected = spec?.nodeSelector?.['kubernetes.io/os']
  if (selected === undefined || selected === 'linux') return undefined
  const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
  return { reason: 'PodOSSelectorNodeLabelDoesNotMatch', message }
}

function sysctls({ spec }: Pod): StartFailure | undefined {
  for (const { name } of spec?.securityContext?.sysctls ?? []) {
    const dotted = name.replaceAll('/', '.')
    const why = !safeSysctls.has(dotted)
      ? 'not allowlisted'
      : spec?.hostNetwork && dotted.startsWith('net.')
        ? 'not allowed with host net enabled'
        : spec?.hostIPC && dotted.startsWith('kernel.')
          ? 'not allowed with host ipc enabled'
          : undefined
    if (why !== undefined) return { reason: 'SysctlForbidden', message: `forbidden sysctl: "${dotted}" ${why}` }
  }
  return undefined
}

/** The engine merges what the image says of the user's groups, and cannot be told not to (KEP-3619). */
function groupsPolicy({ spec }: Pod): StartFailure | undefined {
  if (spec?.securityContext?.supplementalGroupsPolicy !== 'Strict') return undefined
  return {
    reason: 'SupplementalGroupsPolicyNotSupported',
    message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
  }
}

function resources(
  pod: Pod,
  allocatable: Readonly<Record<string, string>>,
  others: readonly Pod[],
): StartFailure | undefined {
  const capacities = resourcesOf(allocatable)
  const short = (name: string, asked: number, used: number): StartFailure | undefined => {
    const capacity = capacities.get(name)
    // What the node does not know at all is somebody else's to count (upstream removeMissingExtendedResources).
    if (capacity === undefined || asked <= capacity - used) return undefined
    const amounts = `requested: ${asked}, used: ${used}, capacity: ${capacity}`
    return { reason: `OutOf${name}`, message: `Node didn't have enough resource: ${name}, ${amounts}` }
  }
  const full = short('pods', 1, others.length)
  if (full !== undefined) return full
  for (const [name, asked] of podInfoOf(pod).requests) {
    const used = others.reduce((sum, other) => sum + (podInfoOf(other).requests.get(name) ?? 0), 0)
    const failure = short(name, asked, used)
    if (failure !== undefined) return failure
  }
  return undefined
}

function hostPorts(pod: Pod, others: readonly Pod[]): StartFailure | undefined {
  const wanted = podInfoOf(pod).hostPorts
  const taken = wanted.length === 0 ? [] : others.flatMap((other) => podInfoOf(other).hostPorts)
  if (!wanted.some((one) => taken.some((other) => conflicts(one, other)))) return undefined
  return predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
}

const everywhere = '0.0.0.0'

const conflicts = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === everywhere || b.ip === everywhere)
