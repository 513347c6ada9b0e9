import type { Pod, ResourceFieldSelector } from '../../api/kinds.ts'
import { parseQuantity } from '../../lib/quantity.ts'
import { containersOf } from '../core/pod-view.ts'

/** What the downward API can tell beside the pod itself. */
export interface DownwardFacts {
  readonly podIp: string | undefined
  readonly secondPodIp?: string | undefined
  readonly hostIp: string
  /** Stands in for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>
}

const mapEntry = /^metadata\.(labels|annotations)\['(.*)'\]$/

/** The value of a fieldRef; throws for a path that the downward API does not have. */
export function fieldValue(pod: Pod, path: string, facts: DownwardFacts): string {
  const { metadata, spec } = pod
  const entry = mapEntry.exec(path)
  if (entry !== null) return metadata[entry[1] as 'labels' | 'annotations']?.[entry[2] ?? ''] ?? ''
  const hostNetwork = spec?.hostNetwork === true
  const podIp = hostNetwork ? facts.hostIp : (facts.podIp ?? '')
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? ''
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    case 'metadata.labels':
      return mapText(metadata.labels)
    case 'metadata.annotations':
      return mapText(metadata.annotations)
    case 'spec.nodeName':
      return spec?.nodeName ?? ''
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? ''
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp
    case 'status.podIP':
      return podIp
    case 'status.podIPs':
      return hostNetwork || !facts.secondPodIp ? podIp : `${podIp},${facts.secondPodIp}`
    default:
      throw new Error(`unsupported fieldPath: ${path}`)
  }
}

/** `key="value"` lines, sorted, as fieldpath.FormatMap writes them. */
const mapText = (map: Record<string, string> | undefined): string =>
  Object.keys(map ?? {})
    .toSorted()
    .map((key) => `${key}=${JSON.stringify(map?.[key])}`)
    .join('\n')

/** The value of a resourceFieldRef in units of its divisor, rounded up. Limits that are not set are the node's allocatable. */
export function resourceValue(pod: Pod, container: string, ref: ResourceFieldSelector, facts: DownwardFacts): string {
  const name = ref.containerName || container
  const found = containersOf(pod.spec ?? { containers: [] }).find((one) => one.container.name === name)
  if (found === undefined) throw new Error(`container ${name} not found`)
  const [kind, ...rest] = ref.resource.split('.')
  const resource = rest.join('.')
  const { limits, requests } = found.container.resources ?? {}
  const set = kind === 'limits' ? limits?.[resource] : requests?.[resource]
  const quantity = parseQuantity(set ?? (kind === 'limits' ? (facts.allocatable[resource] ?? '0') : '0'))
  const written = ref.divisor === undefined || ref.divisor === '' || ref.divisor === '0' ? '1' : ref.divisor
  const divisor = parseQuantity(written).nano
  return String((quantity.nano + divisor - 1n) / divisor)
}
