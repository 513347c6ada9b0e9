import type { EndpointAddress, Endpoints, EndpointSlice, EndpointSubset, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { serviceNameLabel } from '../../api/endpoint-slice.ts'
import { sameJson } from '../../lib/same-json.ts'
import { labelled } from './workload.ts'

/** An Endpoints object holds at most this many addresses; more are in the slices only (upstream: over-capacity). */
const maxAddresses = 1000

/** Keeps the legacy Endpoints object of a Service with a selector, as a projection of its EndpointSlices. */
export const endpointsController: Controller = {
  name: 'endpoints',
  watches: [
    { ref: refs.services, keysOf: ({ namespace, name }) => [`${namespace}/${name}`] },
    {
      ref: refs.endpointSlices,
      keysOf: ({ object, previous, namespace }) => {
        const service = (object ?? previous)?.metadata.labels?.[serviceNameLabel]
        return service ? [`${namespace}/${service}`] : []
      },
    },
  ],
  keys: (view) => view.list<Service>(refs.services).map(keyOf),
  plan: planEndpoints,
}

function planEndpoints(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const service = view.get<Service>(refs.services, namespace, name)
  const present = view.get<Endpoints>(refs.endpoints, namespace, name)
  if (!service || Object.keys(service.spec?.selector ?? {}).length === 0 || service.spec?.type === 'ExternalName') {
    const isOurs =
      present && !service && present.metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller'
    return isOurs
      ? { actions: [{ do: 'delete', ref: refs.endpoints, namespace, name, uid: present.metadata.uid! }] }
      : nothing
  }
  const slices = labelled<EndpointSlice>(view, refs.endpointSlices, namespace, { [serviceNameLabel]: name })
  const subsets = subsetsOf(slices)
  const labels = {
    ...service.metadata.labels,
    'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
    ...(service.spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
  }
  if (!present) {
    const object: Endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace, labels }, subsets }
    return { actions: [{ do: 'create', ref: refs.endpoints, object }] }
  }
  if (sameJson(present.subsets ?? [], subsets) && sameJson(present.metadata.labels, labels)) return nothing
  const change: Action = {
    do: 'mutate',
    ref: refs.endpoints,
    namespace,
    name,
    uid: present.metadata.uid!,
    change: (current) => ({ ...current, metadata: { ...current.metadata, labels }, subsets }) as typeof current,
  }
  return { actions: [change] }
}

function subsetsOf(slices: readonly EndpointSlice[]): EndpointSubset[] {
  const subsets: EndpointSubset[] = []
  let left = maxAddresses
  for (const slice of slices.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))) {
    const ready: EndpointAddress[] = []
    const notReady: EndpointAddress[] = []
    for (const endpoint of slice.endpoints ?? []) {
      // A terminating pod is in the slices, for those that know how to drain, and not here.
      if (endpoint.conditions?.terminating || left-- <= 0) continue
      const address: EndpointAddress = {
        ip: endpoint.addresses[0]!,
        ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}),
        ...(endpoint.nodeName ? { nodeName: endpoint.nodeName } : {}),
        ...(endpoint.targetRef ? { targetRef: endpoint.targetRef } : {}),
      }
      ;(endpoint.conditions?.ready === false ? notReady : ready).push(address)
    }
    if (ready.length + notReady.length === 0) continue
    const ports = (slice.ports ?? []).map((port) => ({
      ...(port.name ? { name: port.name } : {}),
      port: port.port ?? 0,
      protocol: port.protocol ?? 'TCP',
      ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}),
    }))
    subsets.push({
      ...(ready.length > 0 ? { addresses: ready } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    })
  }
  return subsets
}
