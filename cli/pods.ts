import type { Pod } from '../src/api/kinds.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { formatLabelSelector } from '../src/lib/selector.ts'
import { type Io, type OptionDefinition, UsageError } from './command.ts'
import { type ApiResource, pathOf } from './discovery.ts'
import { objectTarget } from './targets.ts'

/** Scripts give it; a pod that does not run is an error at once here. */
export const podTimeoutOption: OptionDefinition = {
  flags: '--pod-running-timeout <duration>',
  summary: 'accepted; pods are not waited for',
  hidden: true,
}

export const podResource: ApiResource = {
  group: '',
  version: 'v1',
  resource: 'pods',
  singular: 'pod',
  kind: 'Pod',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  verbs: [],
  subresources: [],
}

export const podPath = (namespace: string, name: string, subresource?: string): string =>
  pathOf(podResource, namespace, name, subresource)

export async function listPods(client: RestClient, namespace: string, labelSelector: string): Promise<Pod[]> {
  return (await client.json<{ items: Pod[] }>({ path: pathOf(podResource, namespace), query: { labelSelector } })).items
}

/** The pod that `web-0`, `pod/web-0` or `deployment/web` stands for; of several the first that runs. */
export async function podOf(client: RestClient, namespace: string, target: string): Promise<Pod> {
  if (!target.includes('/')) return await client.json<Pod>({ path: podPath(namespace, target) })
  const { resource, name } = await objectTarget(client, [target], 'pods')
  if (resource.resource === 'pods') return await client.json<Pod>({ path: podPath(namespace, name) })
  const pods = await podsBehind(client, namespace, resource, name)
  const chosen = pods.find((pod) => pod.status?.phase === 'Running') ?? pods[0]!
  return chosen
}

/** The pods that an owner or a service selects, at least one. */
export async function podsBehind(
  client: RestClient,
  namespace: string,
  resource: ApiResource,
  name: string,
): Promise<Pod[]> {
  const owner = await client.json<{ spec?: { selector?: Record<string, unknown> } }>({
    path: pathOf(resource, namespace, name),
  })
  const selector = owner.spec?.selector
  if (!selector) throw new UsageError(`${resource.singular}/${name} selects no pods`)
  const isMap = resource.resource === 'services' || resource.resource === 'replicationcontrollers'
  const text = formatLabelSelector(isMap ? { matchLabels: selector as Record<string, string> } : selector)
  const pods = await listPods(client, namespace, text)
  if (pods.length === 0) throw new UsageError(`no pods found for ${resource.singular}/${name}`)
  return pods
}

const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container'

/** The container that is meant when none is named; says which one where there are several. */
export function defaultContainer(pod: Pod, io: Io): string {
  const names = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
    ...(pod.spec?.initContainers ?? []),
  ].map((container) => container.name)
  const preferred = pod.metadata.annotations?.[defaultContainerAnnotation]
  if (preferred !== undefined && names.includes(preferred)) return preferred
  const [first] = names
  if (first === undefined) throw new UsageError(`pod ${pod.metadata.name} has no containers`)
  const initNames = new Set((pod.spec?.initContainers ?? []).map((container) => container.name))
  if (names.length > 1)
    io.err(
      `Defaulted container "${first}" out of: ${names.map((name) => (initNames.has(name) ? `${name} (init)` : name)).join(', ')}\n`,
    )
  return first
}

/** The container of the given name, or the default one. Throws UsageError with the names that there are. */
export function containerOf(pod: Pod, asked: string | undefined, io: Io): string {
  if (asked === undefined) return defaultContainer(pod, io)
  const names = [
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
  ].map((container) => container.name)
  if (!names.includes(asked))
    throw new UsageError(
      `container ${asked} is not valid for pod ${pod.metadata.name}; its containers are: ${names.join(', ')}`,
    )
  return asked
}
