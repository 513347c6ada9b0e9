import type { Pod } from '../../api/kinds.ts'
import { type AffinityTerm, compileTerm, type Labels } from './affinity-term.ts'
import { defaultCpuMilli, defaultMemoryBytes, podRequests, type Resources } from './resources.ts'

/** A host port that a pod occupies; ip 0.0.0.0 stands for all addresses. */
export interface HostPort {
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

/** A pod with all that plugins ask of it again and again, worked out once. */
export interface PodInfo {
  readonly pod: Pod
  readonly uid: string
  readonly namespace: string
  readonly labels: Labels
  readonly priority: number
  readonly isTerminating: boolean
  /** Equal for pods that every filter and score with `isLocal` treats alike. */
  readonly kind: string
  /** cpu in millicores, everything else in whole units; nothing that is zero. */
  readonly requests: Resources
  /** cpu and memory of the requests apart from the rest: every attempt asks for them at hundreds of nodes. */
  readonly cpu: number
  readonly memory: number
  readonly others: readonly (readonly [name: string, amount: number])[]
  /** As requested, but at least something: so that pods that ask for nothing spread too. */
  readonly nonZeroCpu: number
  readonly nonZeroMemory: number
  readonly hostPorts: readonly HostPort[]
  /** Names of the claims in the pod's namespace that it mounts, ephemeral ones included. */
  readonly claims: readonly string[]
  readonly affinity: readonly AffinityTerm[]
  readonly antiAffinity: readonly AffinityTerm[]
  readonly preferredAffinity: readonly AffinityTerm[]
  readonly preferredAntiAffinity: readonly AffinityTerm[]
}

const known = new WeakMap<Pod, PodInfo>()

/** The info of a pod object. Pod objects are never altered, so each is looked into once. */
export function podInfoOf(pod: Pod): PodInfo {
  const found = known.get(pod)
  if (found) return found
  const info = compile(pod)
  known.set(pod, info)
  return info
}

function compile(pod: Pod): PodInfo {
  const { metadata, spec } = pod
  const requests = podRequests(pod)
  for (const [name, amount] of requests) if (amount === 0) requests.delete(name)
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {}
  const required = (part: typeof podAffinity): AffinityTerm[] =>
    (part?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => compileTerm(pod, term))
  const preferred = (part: typeof podAffinity): AffinityTerm[] =>
    (part?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((one) =>
      compileTerm(pod, one.podAffinityTerm, one.weight),
    )
  return {
    pod,
    uid: metadata.uid ?? `${metadata.namespace}/${metadata.name}`,
    namespace: metadata.namespace ?? '',
    labels: metadata.labels ?? {},
    priority: spec?.priority ?? 0,
    isTerminating: metadata.deletionTimestamp !== undefined,
    kind: kindOf(pod, requests),
    requests,
    cpu: requests.get('cpu') ?? 0,
    memory: requests.get('memory') ?? 0,
    others: [...requests].filter(([name]) => name !== 'cpu' && name !== 'memory'),
    nonZeroCpu: requests.get('cpu') ?? defaultCpuMilli,
    nonZeroMemory: requests.get('memory') ?? defaultMemoryBytes,
    hostPorts: hostPortsOf(pod),
    claims: claimsOf(pod),
    affinity: required(podAffinity),
    antiAffinity: required(podAntiAffinity),
    preferredAffinity: preferred(podAffinity),
    preferredAntiAffinity: preferred(podAntiAffinity),
  }
}

function kindOf({ spec }: Pod, requests: Resources): string {
  const { nodeName, nodeSelector, tolerations, affinity, priority = 0 } = spec ?? {}
  const ports = (spec?.containers ?? [])
    .concat(spec?.initContainers ?? [])
    .flatMap((container) => container.ports ?? [])
  return JSON.stringify([[...requests], priority, nodeName, nodeSelector, tolerations, affinity?.nodeAffinity, ports])
}

/** Ports of containers and of sidecars: those are the ones that run at the same time for the pod's whole life. */
function hostPortsOf(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...sidecars, ...(pod.spec?.containers ?? [])].flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort ? [{ ip: port.hostIP || '0.0.0.0', protocol: port.protocol || 'TCP', port: port.hostPort }] : [],
    ),
  )
}

function claimsOf(pod: Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral ? [`${pod.metadata.name}-${volume.name}`] : []
  })
}

/** Whether two states of a pod weigh the same for everybody else: then only the object need be replaced. */
export function weighsTheSame(a: PodInfo, b: PodInfo): boolean {
  return (
    a.isTerminating === b.isTerminating &&
    a.priority === b.priority &&
    sameEntries(a.requests, b.requests) &&
    sameEntries(new Map(Object.entries(a.labels)), new Map(Object.entries(b.labels))) &&
    termsKey(a) === termsKey(b)
  )
}

const sameEntries = <T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)

const termsKey = (info: PodInfo): string =>
  [info.affinity, info.antiAffinity, info.preferredAffinity, info.preferredAntiAffinity]
    .map((terms) => terms.map(({ key }) => key).join(';'))
    .join('#')
