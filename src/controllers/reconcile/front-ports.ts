import { ownIngresses } from '../../api/ingress-class.ts'
import type { ConfigMap, Ingress, IngressClass, Service } from '../../api/kinds.ts'
import { poolConfigMap } from '../../api/load-balancer.ts'
import { refs } from '../../client/client.ts'
import { hasExternalLoadBalancers } from '../cloud/provider-config.ts'
import { keyOf, type View } from '../controller.ts'

/** spec.loadBalancerClass of what is ours; none is ours too where there is no other provider. */
const loadBalancerClass = 'stormo.dev/mesh'
/** Where the nodes serve Ingress, as a Service's port is written. */
export const ingressPorts: readonly string[] = ['80/TCP', '443/TCP']

/** Whether the cluster itself gives the Service its addresses. */
export const isOurLoadBalancer = ({ spec, metadata }: Service, view: View): boolean =>
  spec?.type === 'LoadBalancer' &&
  metadata.deletionTimestamp === undefined &&
  (spec.loadBalancerClass === loadBalancerClass ||
    (spec.loadBalancerClass === undefined && !hasExternalLoadBalancers(view)))

export const servicePorts = ({ spec }: Service): string[] =>
  (spec?.ports ?? []).map((port) => `${port.port}/${port.protocol ?? 'TCP'}`)

/** Ranges that LoadBalancer Services get addresses of; undefined when they share those of the nodes. */
export const poolText = (view: View): string | undefined =>
  view.get<ConfigMap>(refs.configMaps, poolConfigMap.namespace, poolConfigMap.name)?.data?.['addresses']

export const isOlderService = (a: Service, b: Service): boolean => ageKey(a) < ageKey(b)
const ageKey = ({ metadata }: Service): string =>
  `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`

/** The Ingress since which the nodes serve it, if it was there before the Service. */
export function ingressBefore(service: Service, view: View): Ingress | undefined {
  const [first] = ownIngresses(view.list<Ingress>(refs.ingresses), view.list<IngressClass>(refs.ingressClasses))
  return first && (first.metadata.creationTimestamp ?? '') <= (service.metadata.creationTimestamp ?? '')
    ? first
    : undefined
}

/** The LoadBalancer Service, if any, that answers at the ports of Ingress on every node, since it was there before the first. */
export function serviceAtIngressPorts(view: View): Service | undefined {
  if (poolText(view) !== undefined) return undefined
  return view
    .list<Service>(refs.services)
    .filter((one) => isOurLoadBalancer(one, view) && servicePorts(one).some((port) => ingressPorts.includes(port)))
    .toSorted((a, b) => (isOlderService(a, b) ? -1 : 1))
    .find((one) => ingressBefore(one, view) === undefined)
}

export const nodesPortTaken = (port: string, by: Service | Ingress): string =>
  `port ${port} of the nodes is used by ${by.kind === 'Ingress' ? 'Ingress ' : ''}${keyOf(by)}`
