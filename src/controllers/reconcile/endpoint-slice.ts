import type { Endpoint, EndpointPort, EndpointSlice, Node, Pod, Service, ServicePort } from '../../api/kinds.ts'
import { managedByLabel, serviceNameLabel } from '../../api/endpoint-slice.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap } from '../../lib/selector.ts'
import {
  type Action,
  type Controller,
  type Index,
  keyOf,
  nothing,
  type Plan,
  splitKey,
  type View,
} from '../controller.ts'
import { templateHash } from './deployment-revision.ts'
import { controllerReference } from './ownership.ts'
import { isFinished, isReady } from './pod-state.ts'
import { sameJson } from '../../lib/same-json.ts'
import { deleteAction, labelled, mutateAction } from './workload.ts'

/** Endpoints of one slice, as upstream's default of --max-endpoints-per-slice. */
const maxEndpoints = 100
const managedBy = 'endpointslice-controller.k8s.io'

/** Services by one of the labels that they select: a pod that they select has it. */
const bySelector: Index = {
  name: 'selector',
  valuesOf: (object) => {
    const [first] = Object.entries((object as Service).spec?.selector ?? {})
    return first ? [selectorValue(object.metadata.namespace, first)] : []
  },
}
const selectorValue = (namespace = '', [key, value]: [string, string]): string => `${namespace}/${key}=${value}`

/** Keeps the EndpointSlices of every Service with a selector (discovery/v1). */
export const endpointSliceController: Controller = {
  name: 'endpointslice',
  watches: [
    { ref: refs.services, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
    {
      ref: refs.pods,
      keysOf({ object, previous }, view) {
        if (object && previous && isSameEndpoint(object as Pod, previous as Pod)) return []
        const pods = [object, previous].filter((pod) => pod !== undefined && hasAddress(pod as Pod))
        return [...new Set(pods.flatMap((pod) => selecting(pod as Pod, view).map(keyOf)))]
      },
    },
    {
      ref: refs.endpointSlices,
      keysOf: ({ object, previous, namespace }) => {
        const service = (object ?? previous)?.metadata.labels?.[serviceNameLabel]
        return service ? [`${namespace}/${service}`] : []
      },
    },
  ],
  keys: (view) => view.list<Service>(refs.services).map(keyOf),
  plan: planEndpointSlices,
}

const hasSelector = (service: Service): boolean =>
  Object.keys(service.spec?.selector ?? {}).length > 0 && service.spec?.type !== 'ExternalName'

const hasAddress = ({ status }: Pod): boolean => (status?.podIPs?.length ?? 0) > 0

/** Services with a selector that selects the pod. */
const selecting = ({ metadata: { namespace, labels = {} } }: Pod, view: View): Service[] =>
  Object.entries(labels)
    .flatMap((label) => view.indexed<Service>(refs.services, bySelector, selectorValue(namespace, label)))
    .filter((service) => hasSelector(service) && matchesLabelMap(service.spec?.selector, labels))

/** Whether two states of a pod make the same endpoint: most changes of a pod are of no interest here. */
const isSameEndpoint = (a: Pod, b: Pod): boolean =>
  isReady(a) === isReady(b) &&
  isFinished(a) === isFinished(b) &&
  a.metadata.deletionTimestamp === b.metadata.deletionTimestamp &&
  a.spec?.nodeName === b.spec?.nodeName &&
  sameJson(a.status?.podIPs, b.status?.podIPs) &&
  sameJson(a.metadata.labels, b.metadata.labels)

function planEndpointSlices(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const service = view.get<Service>(refs.services, namespace, name)
  // Slices of a deleted Service go with it by their owner reference.
  if (!service || !hasSelector(service) || service.metadata.deletionTimestamp) return nothing
  const present = labelled<EndpointSlice>(view, refs.endpointSlices, namespace, {
    [serviceNameLabel]: name,
    [managedByLabel]: managedBy,
  })
  const wanted = new Map(desiredSlices(service, present, view).map((slice) => [slice.metadata.name!, slice]))
  const actions: Action[] = []
  for (const slice of present) {
    const target = wanted.get(slice.metadata.name!)
    wanted.delete(slice.metadata.name!)
    if (!target) actions.push(deleteAction(refs.endpointSlices, slice))
    else if (!sameSlice(slice, target)) actions.push(replace(slice, target))
  }
  for (const slice of wanted.values()) actions.push({ do: 'create', ref: refs.endpointSlices, object: slice })
  return { actions }
}

const sameSlice = (a: EndpointSlice, b: EndpointSlice): boolean =>
  sameJson(a.endpoints, b.endpoints) &&
  sameJson(a.ports ?? [], b.ports ?? []) &&
  sameJson(a.metadata.labels, b.metadata.labels)

const replace = (slice: EndpointSlice, target: EndpointSlice): Action =>
  mutateAction(refs.endpointSlices, slice, (current) => ({
    ...current,
    metadata: { ...current.metadata, labels: target.metadata.labels },
    endpoints: target.endpoints,
    ports: target.ports,
  }))

/**
 * Slices by address family and resolved ports, of at most 100 endpoints. Their names come from what they hold, not from
 * chance, so that a new leader that has not yet seen its predecessor's slices makes the same ones.
 */
function desiredSlices(service: Service, present: readonly EndpointSlice[], view: View): EndpointSlice[] {
  const groups = new Map<string, Group>()
  const { publishNotReadyAddresses, selector = {} } = service.spec!
  for (const pod of labelled<Pod>(view, refs.pods, service.metadata.namespace, selector)) {
    if (isFinished(pod) || !pod.spec?.nodeName) continue
    for (const { ip } of pod.status?.podIPs ?? []) {
      if (!ip) continue
      const family = ip.includes(':') ? 'IPv6' : 'IPv4'
      if (!(service.spec?.ipFamilies ?? ['IPv4']).includes(family)) continue
      const ports = (service.spec?.ports ?? []).flatMap((port) => endpointPort(port, pod))
      if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue
      const id = `${family}:${JSON.stringify(ports)}`
      const group = groups.get(id) ?? { ports, family, endpoints: [] }
      group.endpoints.push(endpointOf(service, pod, ip, view, publishNotReadyAddresses ?? false))
      groups.set(id, group)
    }
  }
  if (groups.size === 0)
    groups.set('', {
      // No pod says which port a name means: the placeholder has none, as upstream's.
      ports: [],
      family: (service.spec?.ipFamilies?.[0] ?? 'IPv4') as 'IPv4',
      endpoints: [],
    })
  const byName = new Map(present.map((slice) => [slice.metadata.name!, slice]))
  return [...groups].flatMap(([id, group]) => slicesOf(service, id, group, byName))
}

/** Endpoints that one slice may hold together. */
interface Group {
  readonly ports: EndpointPort[]
  readonly family: 'IPv4' | 'IPv6'
  readonly endpoints: Endpoint[]
}

/**
 * Shares the endpoints out among slices. Each stays where it is, so that a pod that comes or goes rewrites one slice; the
 * others fill the first gaps. What stands beyond twice the slices that are needed moves down, and those slices go.
 */
function slicesOf(
  service: Service,
  id: string,
  group: Group,
  present: ReadonlyMap<string, EndpointSlice>,
): EndpointSlice[] {
  const needed = Math.max(1, Math.ceil(group.endpoints.length / maxEndpoints))
  const slots = Array.from({ length: 2 * needed }, (_, slot) => ({
    name: sliceName(service, `${id}#${slot}`),
    endpoints: [] as Endpoint[],
  }))
  const places = new Map<string, Endpoint[]>()
  for (const { name, endpoints } of slots)
    for (const { addresses } of present.get(name)?.endpoints ?? []) places.set(addresses[0]!, endpoints)
  const unplaced: Endpoint[] = []
  for (const endpoint of group.endpoints) {
    const place = places.get(endpoint.addresses[0]!)
    if (place && place.length < maxEndpoints) place.push(endpoint)
    else unplaced.push(endpoint)
  }
  let at = 0
  for (const endpoint of unplaced) {
    while (slots[at]!.endpoints.length >= maxEndpoints) at++
    slots[at]!.endpoints.push(endpoint)
  }
  const filled = slots.filter(({ endpoints }) => endpoints.length > 0)
  return (filled.length > 0 ? filled : slots.slice(0, 1)).map(({ name, endpoints }) =>
    sliceOf(service, name, group, endpoints.toSorted(byAddress)),
  )
}

const byAddress = (a: Endpoint, b: Endpoint): number => (a.addresses[0]! < b.addresses[0]! ? -1 : 1)

const sliceName = ({ metadata: { name = '', uid = '' } }: Service, id: string): string =>
  `${name.slice(0, 57)}-${templateHash({ metadata: { labels: { id, uid } } }, 0)}`

function sliceOf(service: Service, name: string, group: Group, endpoints: Endpoint[]): EndpointSlice {
  const { 'service.kubernetes.io/headless': _, ...labels } = service.metadata.labels ?? {}
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: service.metadata.namespace,
      labels: {
        ...labels,
        [managedByLabel]: managedBy,
        [serviceNameLabel]: service.metadata.name!,
        ...(service.spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
      },
      ownerReferences: [controllerReference(service)],
    },
    addressType: group.family,
    endpoints,
    ports: group.ports,
  }
}

/** The port as the pod has it: a named target port is looked up in its containers; a pod without it is no endpoint of it. */
function endpointPort(port: ServicePort, pod: Pod | undefined): EndpointPort[] {
  const target = port.targetPort ?? port.port
  const protocol = port.protocol ?? 'TCP'
  const base = { name: port.name ?? '', protocol, ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}) }
  if (typeof target === 'number') return [{ ...base, port: target === 0 ? port.port : target }]
  if (!pod) return []
  const containers = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ]
  const found = containers
    .flatMap((container) => container.ports ?? [])
    .find((one) => one.name === target && (one.protocol ?? 'TCP') === protocol)
  return found ? [{ ...base, port: found.containerPort }] : []
}

function endpointOf(service: Service, pod: Pod, ip: string, view: View, publishNotReady: boolean): Endpoint {
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const serving = isReady(pod)
  const node = view.get<Node>(refs.nodes, '', pod.spec?.nodeName ?? '')
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone']
  const isOwnName = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name
  return {
    addresses: [ip],
    conditions: { ready: publishNotReady || (serving && !terminating), serving, terminating },
    ...(isOwnName ? { hostname: pod.spec!.hostname } : {}),
    nodeName: pod.spec?.nodeName,
    targetRef: { kind: 'Pod', name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
    ...(zone ? { zone } : {}),
    ...hintsOf(service, publishNotReady || (serving && !terminating), pod.spec?.nodeName, zone),
  }
}

/** For whom the endpoint is meant, by `spec.trafficDistribution` (KEP-4444, KEP-3015). Endpoints that are not ready have none. */
function hintsOf(
  service: Service,
  isReadyNow: boolean,
  nodeName: string | undefined,
  zone: string | undefined,
): Pick<Endpoint, 'hints'> {
  const { trafficDistribution } = service.spec ?? {}
  if (!isReadyNow || !trafficDistribution) return {}
  const forZones = zone ? { forZones: [{ name: zone }] } : {}
  const forNodes = trafficDistribution === 'PreferSameNode' && nodeName ? { forNodes: [{ name: nodeName }] } : {}
  const hints = { ...forNodes, ...forZones }
  return Object.keys(hints).length > 0 ? { hints } : {}
}
