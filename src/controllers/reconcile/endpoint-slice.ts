import type { Endpoint, EndpointPort, EndpointSlice, Node, Pod, Service, ServicePort } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { matchesLabelMap } from '../../lib/selector.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { controllerReference } from './ownership.ts'
import { isFinished, isReady } from './pod-state.ts'
import { sameJson } from './same-json.ts'
import { templateHash } from './deployment-revision.ts'

/** Endpoints of one slice, as upstream's default of --max-endpoints-per-slice. */
const maxEndpoints = 100
const managedBy = 'endpointslice-controller.k8s.io'

/** Keeps the EndpointSlices of every Service with a selector (discovery/v1). */
export const endpointSliceController: Controller = {
  name: 'endpointslice',
  watches: [
    { ref: refs.services, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
    {
      ref: refs.pods,
      keysOf({ object, previous, namespace }, view) {
        const labels = [object, previous].flatMap((pod) => (pod ? [pod.metadata.labels ?? {}] : []))
        return view
          .list<Service>(refs.services, namespace)
          .filter(
            (service) => hasSelector(service) && labels.some((one) => matchesLabelMap(service.spec!.selector, one)),
          )
          .map(keyOf)
      },
    },
    {
      ref: refs.endpointSlices,
      keysOf: ({ object, previous, namespace }) => {
        const service = (object ?? previous)?.metadata.labels?.['kubernetes.io/service-name']
        return service ? [`${namespace}/${service}`] : []
      },
    },
  ],
  keys: (view) => view.list<Service>(refs.services).map(keyOf),
  plan: planEndpointSlices,
}

const hasSelector = (service: Service): boolean =>
  Object.keys(service.spec?.selector ?? {}).length > 0 && service.spec?.type !== 'ExternalName'

function planEndpointSlices(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const service = view.get<Service>(refs.services, namespace, name)
  // Slices of a deleted Service go with it by their owner reference.
  if (!service || !hasSelector(service) || service.metadata.deletionTimestamp) return nothing
  const present = view
    .list<EndpointSlice>(refs.endpointSlices, namespace)
    .filter(
      (slice) =>
        slice.metadata.labels?.['kubernetes.io/service-name'] === name &&
        slice.metadata.labels['endpointslice.kubernetes.io/managed-by'] === managedBy,
    )
  const wanted = new Map(desiredSlices(service, view).map((slice) => [slice.metadata.name!, slice]))
  const actions: Action[] = []
  for (const slice of present) {
    const target = wanted.get(slice.metadata.name!)
    wanted.delete(slice.metadata.name!)
    if (!target)
      actions.push({
        do: 'delete',
        ref: refs.endpointSlices,
        namespace,
        name: slice.metadata.name!,
        uid: slice.metadata.uid!,
      })
    else if (!sameSlice(slice, target)) actions.push(replace(slice, target))
  }
  for (const slice of wanted.values()) actions.push({ do: 'create', ref: refs.endpointSlices, object: slice })
  return { actions }
}

const sameSlice = (a: EndpointSlice, b: EndpointSlice): boolean =>
  sameJson(a.endpoints, b.endpoints) &&
  sameJson(a.ports ?? [], b.ports ?? []) &&
  sameJson(a.metadata.labels, b.metadata.labels)

function replace(slice: EndpointSlice, target: EndpointSlice): Action {
  return {
    do: 'mutate',
    ref: refs.endpointSlices,
    namespace: slice.metadata.namespace ?? '',
    name: slice.metadata.name!,
    uid: slice.metadata.uid!,
    change: (current) =>
      ({
        ...current,
        metadata: { ...current.metadata, labels: target.metadata.labels },
        endpoints: target.endpoints,
        ports: target.ports,
      }) as typeof current,
  }
}

/**
 * Slices by address family and resolved ports, of at most 100 endpoints. Their names come from what they hold, not from
 * chance, so that a new leader that has not yet seen its predecessor's slices makes the same ones.
 */
function desiredSlices(service: Service, view: View): EndpointSlice[] {
  const groups = new Map<string, { ports: EndpointPort[]; family: 'IPv4' | 'IPv6'; endpoints: Endpoint[] }>()
  const { publishNotReadyAddresses, selector } = service.spec!
  for (const pod of view.list<Pod>(refs.pods, service.metadata.namespace)) {
    if (!matchesLabelMap(selector, pod.metadata.labels ?? {}) || isFinished(pod) || !pod.spec?.nodeName) continue
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
  return [...groups.entries()].flatMap(([id, group]) => {
    const endpoints = group.endpoints.toSorted((a, b) => (a.addresses[0]! < b.addresses[0]! ? -1 : 1))
    const chunks = Math.max(1, Math.ceil(endpoints.length / maxEndpoints))
    return Array.from({ length: chunks }, (_, chunk) =>
      sliceOf(service, `${id}#${chunk}`, group, endpoints.slice(chunk * maxEndpoints, (chunk + 1) * maxEndpoints)),
    )
  })
}

function sliceOf(
  service: Service,
  id: string,
  group: { ports: EndpointPort[]; family: string },
  endpoints: Endpoint[],
): EndpointSlice {
  const { 'service.kubernetes.io/headless': _, ...labels } = service.metadata.labels ?? {}
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service.metadata.name!.slice(0, 57)}-${templateHash({ metadata: { labels: { id, uid: service.metadata.uid! } } }, 0).slice(-5)}`,
      namespace: service.metadata.namespace,
      labels: {
        ...labels,
        'endpointslice.kubernetes.io/managed-by': managedBy,
        'kubernetes.io/service-name': service.metadata.name!,
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
