import type { Endpoint, EndpointAddress, Endpoints, EndpointSlice, EndpointSubset, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey, type View } from '../controller.ts'
import { templateHash } from './deployment-revision.ts'
import { managedByLabel, serviceNameLabel } from '../../api/endpoint-slice.ts'
import { controllerReference } from './ownership.ts'
import { sameJson } from '../../lib/same-json.ts'
import { deleteAction, labelled, mutateAction, selfWatch } from './workload.ts'

const managedBy = 'endpointslicemirroring-controller.k8s.io'
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
/** Addresses of one subset that are mirrored (--mirroring-max-endpoints-per-subset). */
const maxPerSubset = 1000

const serviceOf = (slice: EndpointSlice | undefined): string | undefined =>
  slice?.metadata.labels?.[managedByLabel] === managedBy ? slice.metadata.labels[serviceNameLabel] : undefined

/** Copies Endpoints that users keep by hand, of Services without a selector, into EndpointSlices (discovery/v1). */
export const endpointSliceMirroringController: Controller = {
  name: 'endpointslicemirroring',
  watches: [
    selfWatch(refs.endpoints),
    selfWatch(refs.services),
    {
      ref: refs.endpointSlices,
      keysOf: ({ object, previous, namespace }) => {
        const service = serviceOf((object ?? previous) as EndpointSlice)
        return service ? [`${namespace}/${service}`] : []
      },
    },
  ],
  keys: (view) => view.list<Endpoints>(refs.endpoints).map(keyOf),
  plan: planMirror,
}

function planMirror(key: string, view: View): Plan {
  const { namespace, name } = splitKey(key)
  const present = labelled<EndpointSlice>(view, refs.endpointSlices, namespace, {
    [serviceNameLabel]: name,
    [managedByLabel]: managedBy,
  })
  const wanted = new Map(desired(key, view).map((slice) => [slice.metadata.name!, slice]))
  const actions: Action[] = []
  for (const slice of present) {
    const target = wanted.get(slice.metadata.name!)
    wanted.delete(slice.metadata.name!)
    if (!target) actions.push(deleteAction(refs.endpointSlices, slice))
    else if (
      !sameJson(
        [slice.endpoints, slice.ports, slice.metadata.labels],
        [target.endpoints, target.ports, target.metadata.labels],
      )
    )
      actions.push(
        mutateAction(refs.endpointSlices, slice, (current) => ({
          ...current,
          metadata: { ...current.metadata, labels: target.metadata.labels },
          endpoints: target.endpoints,
          ports: target.ports,
        })),
      )
  }
  for (const slice of wanted.values()) actions.push({ do: 'create', ref: refs.endpointSlices, object: slice })
  return actions.length > 0 ? { actions } : nothing
}

function desired(key: string, view: View): EndpointSlice[] {
  const { namespace, name } = splitKey(key)
  const endpoints = view.get<Endpoints>(refs.endpoints, namespace, name)
  const service = view.get<Service>(refs.services, namespace, name)
  const hasSelector = Object.keys(service?.spec?.selector ?? {}).length > 0
  if (!endpoints || !service || hasSelector || endpoints.metadata.deletionTimestamp) return []
  const { labels = {}, annotations = {} } = endpoints.metadata
  if (labels[skipLabel] === 'true' || annotations['control-plane.alpha.kubernetes.io/leader'] !== undefined) return []
  return (endpoints.subsets ?? []).flatMap((subset, index) =>
    (['IPv4', 'IPv6'] as const).flatMap((family) => sliceOf(endpoints, subset, index, family)),
  )
}

function sliceOf(
  endpoints: Endpoints,
  subset: EndpointSubset,
  index: number,
  family: 'IPv4' | 'IPv6',
): EndpointSlice[] {
  const ofFamily = (address: EndpointAddress): boolean => address.ip.includes(':') === (family === 'IPv6')
  const convert =
    (ready: boolean) =>
    (address: EndpointAddress): Endpoint => ({
      addresses: [address.ip],
      conditions: { ready },
      ...(address.hostname ? { hostname: address.hostname } : {}),
      ...(address.nodeName ? { nodeName: address.nodeName } : {}),
      ...(address.targetRef ? { targetRef: address.targetRef } : {}),
    })
  const all = [
    ...(subset.addresses ?? []).filter(ofFamily).map(convert(true)),
    ...(subset.notReadyAddresses ?? []).filter(ofFamily).map(convert(false)),
  ].slice(0, maxPerSubset)
  if (all.length === 0) return []
  const { name = '', namespace, labels, uid = '' } = endpoints.metadata
  const id = templateHash({ metadata: { labels: { uid, family, index: String(index) } } }, 0).slice(-5)
  return [
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name.slice(0, 57)}-${id}`,
        namespace,
        labels: {
          ...labels,
          [managedByLabel]: managedBy,
          [serviceNameLabel]: name,
        },
        ownerReferences: [controllerReference(endpoints)],
      },
      addressType: family,
      endpoints: all,
      ports: (subset.ports ?? []).map(({ name: portName, port, protocol, appProtocol }) => ({
        name: portName ?? '',
        port,
        protocol: protocol ?? 'TCP',
        ...(appProtocol ? { appProtocol } : {}),
      })),
    },
  ]
}
