import type { LoadBalancerIngress, Node, NodeAddress, Service } from '../../api/kinds.ts'

/** What a provider knows of one machine (upstream's InstanceMetadata). */
export interface Instance {
  /** `<provider>://<id>`; a Node's spec.providerID is written once. */
  readonly providerId: string
  readonly instanceType?: string
  readonly zone?: string
  readonly region?: string
  /** Those that the machine does not know itself: ExternalIP, ExternalDNS, InternalDNS. */
  readonly addresses: readonly NodeAddress[]
  readonly labels: Readonly<Record<string, string>>
  /** It exists, and is switched off. */
  readonly isShutdown: boolean
}

/** A way to a node's pods, laid outside of the machines. */
export interface CloudRoute {
  readonly name: string
  readonly nodeName: string
  readonly destinationCidr: string
}

export const cloudFeatures = ['instances', 'load-balancers', 'routes'] as const
export type CloudFeature = (typeof cloudFeatures)[number]

/**
 * What an external provider does for the cluster. Every call is idempotent and may be repeated at any time: it says what
 * is wanted, never what has changed. All throw an Error that says why, and end when the signal is aborted.
 */
export interface CloudProvider {
  readonly features: ReadonlySet<CloudFeature>
  /** Undefined: there is no such machine. */
  findInstance(node: Node, signal: AbortSignal): Promise<Instance | undefined>
  /** Undefined: it is being made, and has no address yet. */
  ensureLoadBalancer(
    service: Service,
    nodes: readonly Node[],
    signal: AbortSignal,
  ): Promise<readonly LoadBalancerIngress[] | undefined>
  /** False: it is being removed. One that is not there is success. */
  deleteLoadBalancer(service: Service, signal: AbortSignal): Promise<boolean>
  listRoutes(signal: AbortSignal): Promise<readonly CloudRoute[]>
  ensureRoute(route: CloudRoute, node: Node, signal: AbortSignal): Promise<void>
  deleteRoute(route: CloudRoute, signal: AbortSignal): Promise<void>
}
