import type { Lease, Node, Pod } from '../../../src/api/kinds.ts'
import { age } from '../../../src/lib/duration.ts'
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityMilliValue,
  quantityValue,
  zeroQuantity,
} from '../../../src/lib/quantity.ts'
import { eventLines } from './events.ts'
import { annotationLines, type DescribeContext, fullTime, labelLines, multiline, sortedEntries } from './lines.ts'

export interface NodeContext extends DescribeContext {
  /** Pods of the node that have not ended. */
  pods: readonly Pod[]
  lease?: Lease
}

const rolePrefix = 'node-role.kubernetes.io/'

export function describeNode(node: Node, context: NodeContext): string[] {
  const { metadata, spec, status } = node
  const roles = Object.keys(metadata.labels ?? {})
    .filter((key) => key.startsWith(rolePrefix))
    .map((key) => key.slice(rolePrefix.length))
  const taints = (spec?.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`)
  const info = status?.nodeInfo
  return [
    `Name:\t${metadata.name ?? ''}`,
    `Roles:\t${roles.toSorted().join(',') || '<none>'}`,
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    `CreationTimestamp:\t${fullTime(metadata.creationTimestamp)}`,
    ...multiline('Taints', taints.toSorted()),
    `Unschedulable:\t${spec?.unschedulable ?? false}`,
    ...leaseLines(context.lease),
    ...(status?.conditions?.length
      ? [
          'Conditions:',
          '  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage',
          '  ----\t------\t-----------------\t------------------\t------\t-------',
          ...status.conditions.map(
            (one) =>
              `  ${one.type} \t${one.status} \t${fullTime(one.lastHeartbeatTime)} \t${fullTime(one.lastTransitionTime)} \t${one.reason ?? ''} \t${one.message ?? ''}`,
          ),
        ]
      : []),
    'Addresses:',
    ...(status?.addresses ?? []).map(({ type, address }) => `  ${type}:\t${address}`),
    ...resourceLines('Capacity', status?.capacity),
    ...resourceLines('Allocatable', status?.allocatable),
    'System Info:',
    `  Machine ID:\t${info?.machineID ?? ''}`,
    `  System UUID:\t${info?.systemUUID ?? ''}`,
    `  Boot ID:\t${info?.bootID ?? ''}`,
    `  Kernel Version:\t${info?.kernelVersion ?? ''}`,
    `  OS Image:\t${info?.osImage ?? ''}`,
    `  Operating System:\t${info?.operatingSystem ?? ''}`,
    `  Architecture:\t${info?.architecture ?? ''}`,
    `  Container Runtime Version:\t${info?.containerRuntimeVersion ?? ''}`,
    `  Kubelet Version:\t${info?.kubeletVersion ?? ''}`,
    `  Kube-Proxy Version:\t${info?.kubeProxyVersion ?? ''}`,
    ...(spec?.podCIDR ? [`PodCIDR:\t${spec.podCIDR}`] : []),
    ...(spec?.podCIDRs?.length ? [`PodCIDRs:\t${spec.podCIDRs.join(',')}`] : []),
    ...(spec?.providerID ? [`ProviderID:\t${spec.providerID}`] : []),
    ...podLines(node, context),
    ...eventLines(context),
  ]
}

const leaseLines = (lease: Lease | undefined): string[] => [
  'Lease:',
  `  HolderIdentity:\t${lease?.spec?.holderIdentity ?? '<unset>'}`,
  `  AcquireTime:\t${fullTime(lease?.spec?.acquireTime)}`,
  `  RenewTime:\t${fullTime(lease?.spec?.renewTime)}`,
]

const resourceLines = (title: string, list: Readonly<Record<string, string>> | undefined): string[] =>
  list ? [`${title}:`, ...sortedEntries(list).map(([name, quantity]) => `  ${name}:\t${quantity}`)] : []

type Resources = Map<string, Quantity>

interface Asked {
  requests: Resources
  limits: Resources
}

/** What one pod asks for: the sum of its containers, or its largest init container where that is more. */
function askedBy(pod: Pod): Asked {
  const total = (kind: 'requests' | 'limits'): Resources => {
    const sum: Resources = new Map()
    for (const container of pod.spec?.containers ?? [])
      for (const [name, text] of Object.entries(container.resources?.[kind] ?? {}))
        sum.set(name, addQuantity(sum.get(name) ?? zeroQuantity, parseQuantity(text)))
    for (const container of pod.spec?.initContainers ?? [])
      for (const [name, text] of Object.entries(container.resources?.[kind] ?? {})) {
        const quantity = parseQuantity(text)
        const before = sum.get(name)
        if (container.restartPolicy === 'Always') sum.set(name, addQuantity(before ?? zeroQuantity, quantity))
        else if (!before || compareQuantity(quantity, before) > 0) sum.set(name, quantity)
      }
    for (const [name, text] of Object.entries(pod.spec?.overhead ?? {})) {
      const before = sum.get(name)
      if (kind === 'requests' || before) sum.set(name, addQuantity(before ?? zeroQuantity, parseQuantity(text)))
    }
    return sum
  }
  return { requests: total('requests'), limits: total('limits') }
}

function podLines(node: Node, { pods, nowMs }: NodeContext): string[] {
  const allocatable = node.status?.allocatable ?? node.status?.capacity ?? {}
  const share = (name: string, quantity: Quantity | undefined): string => {
    const text = formatQuantity(quantity ?? zeroQuantity)
    const whole = allocatable[name]
    const valueOf = name === 'cpu' ? quantityMilliValue : quantityValue
    const percent = whole === undefined || valueOf(whole) === 0 ? 0 : Math.trunc((valueOf(text) / valueOf(whole)) * 100)
    return `${text} (${percent}%)`
  }
  const asked = pods.map((pod) => ({ pod, asked: askedBy(pod) }))
  const sum = (kind: keyof Asked): Resources => {
    const all: Resources = new Map()
    for (const one of asked)
      for (const [name, quantity] of one.asked[kind])
        all.set(name, addQuantity(all.get(name) ?? zeroQuantity, quantity))
    return all
  }
  const requests = sum('requests')
  const limits = sum('limits')
  const others = Object.keys(allocatable)
    .filter((name) => !['cpu', 'memory', 'ephemeral-storage', 'pods'].includes(name))
    .toSorted()
  return [
    `Non-terminated Pods:\t(${pods.length} in total)`,
    '  Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge',
    '  ---------\t----\t\t------------\t----------\t---------------\t-------------\t---',
    ...asked.map(
      ({ pod, asked: { requests: own, limits: ownLimits } }) =>
        `  ${pod.metadata.namespace}\t${pod.metadata.name}\t\t${share('cpu', own.get('cpu'))}\t${share('cpu', ownLimits.get('cpu'))}\t${share('memory', own.get('memory'))}\t${share('memory', ownLimits.get('memory'))}\t${age(pod.metadata.creationTimestamp, nowMs)}`,
    ),
    'Allocated resources:',
    '  (Total limits may be over 100 percent, i.e., overcommitted.)',
    '  Resource\tRequests\tLimits',
    '  --------\t--------\t------',
    ...['cpu', 'memory', 'ephemeral-storage'].map(
      (name) => `  ${name}\t${share(name, requests.get(name))}\t${share(name, limits.get(name))}`,
    ),
    ...others.map(
      (name) =>
        `  ${name}\t${formatQuantity(requests.get(name) ?? zeroQuantity)}\t${formatQuantity(limits.get(name) ?? zeroQuantity)}`,
    ),
  ]
}
