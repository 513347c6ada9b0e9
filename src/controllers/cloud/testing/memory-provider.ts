import type { LoadBalancerIngress, Node, Service } from '../../../api/kinds.ts'
import { type CloudFeature, cloudFeatures, type CloudProvider, type CloudRoute, type Instance } from '../provider.ts'

/** A cloud in memory: what it was asked for, and machines that tests make and unmake. */
export interface MemoryProvider extends CloudProvider {
  /** Machines by the name of their node. */
  readonly instances: Map<string, Instance>
  /** By the uid of the Service: the names of the nodes that it sends to. */
  readonly balancers: Map<string, { nodes: string[]; ingress: LoadBalancerIngress[] }>
  readonly routes: Map<string, CloudRoute>
  /** Every call, as `ensureLoadBalancer web`. */
  readonly calls: string[]
  /** The next calls fail with it, while it is set. */
  problem: string | undefined
  /** The next ones are only begun. */
  isSlow: boolean
}

export const instance = (name: string, more: Partial<Instance> = {}): Instance => ({
  providerId: `memory://${name}`,
  instanceType: 'small',
  zone: 'a',
  region: 'here',
  addresses: [{ type: 'ExternalIP', address: '203.0.113.7' }],
  labels: { 'example.com/rack': '4' },
  isShutdown: false,
  ...more,
})

export function memoryProvider(features: readonly CloudFeature[] = cloudFeatures): MemoryProvider {
  const say = (call: string): void => {
    provider.calls.push(call)
    if (provider.problem !== undefined) throw new Error(provider.problem)
  }
  let nextIp = 1
  const provider: MemoryProvider = {
    features: new Set(features),
    instances: new Map(),
    balancers: new Map(),
    routes: new Map(),
    calls: [],
    problem: undefined,
    isSlow: false,
    async findInstance({ metadata }: Node) {
      say(`findInstance ${metadata.name}`)
      return provider.instances.get(metadata.name!)
    },
    async ensureLoadBalancer({ metadata }: Service, nodes) {
      say(`ensureLoadBalancer ${metadata.name}`)
      if (provider.isSlow) return undefined
      const uid = metadata.uid!
      const ingress = provider.balancers.get(uid)?.ingress ?? [{ ip: `203.0.113.${nextIp++}`, ipMode: 'VIP' }]
      provider.balancers.set(uid, { nodes: nodes.map((node) => node.metadata.name!), ingress })
      return ingress
    },
    async deleteLoadBalancer({ metadata }: Service) {
      say(`deleteLoadBalancer ${metadata.name}`)
      if (provider.isSlow) return false
      provider.balancers.delete(metadata.uid!)
      return true
    },
    async listRoutes() {
      say('listRoutes')
      return [...provider.routes.values()]
    },
    async ensureRoute(route) {
      say(`ensureRoute ${route.name}`)
      provider.routes.set(route.name, route)
    },
    async deleteRoute({ name }) {
      say(`deleteRoute ${name}`)
      provider.routes.delete(name)
    },
  }
  return provider
}
