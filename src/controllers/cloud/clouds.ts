import type { Controller } from '../controller.ts'
import { loadBalancerController } from '../reconcile/load-balancer.ts'
import { cloudNodeLifecycleController } from './cloud-node-lifecycle.ts'
import { cloudNodeController } from './cloud-node.ts'
import { cloudRouteController } from './cloud-routes.ts'
import { externalLoadBalancerController } from './external-load-balancer.ts'
import type { ConnectProvider } from './provider-config.ts'

/** What a cloud does for a cluster (upstream's cloud-controller-manager), each part by control loops of its own. */
export interface Cloud {
  /** Facts of machines that the machines do not know themselves; Nodes of machines that are gone. */
  readonly nodes: readonly Controller[]
  readonly loadBalancers: readonly Controller[]
  /** Ways to pods that lie outside of the machines. */
  readonly routes: readonly Controller[]
}

/**
 * The machines themselves: addresses from a pool, announced on their network, or the nodes' own. Nodes report what they
 * are, and lay the ways to each other's pods.
 */
export const meshCloud: Cloud = { nodes: [], loadBalancers: [loadBalancerController], routes: [] }

/** A user's own provider, once there is a Secret `kube-system/cloud-provider` that says where it is. */
export const externalCloud = (connect: ConnectProvider): Cloud => ({
  nodes: [cloudNodeController(connect), cloudNodeLifecycleController(connect)],
  loadBalancers: [externalLoadBalancerController(connect)],
  routes: [cloudRouteController(connect)],
})

export const controllersOf = ({ nodes, loadBalancers, routes }: Cloud): Controller[] => [
  ...nodes,
  ...loadBalancers,
  ...routes,
]
