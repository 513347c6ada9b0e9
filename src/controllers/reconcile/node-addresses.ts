import type { Node } from '../../api/kinds.ts'
import { type AddressBits, bitsOf } from '../../lib/ip-address.ts'

/** Upstream's label of nodes that no load balancer sends to. */
export const excludedFromLoadBalancers = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** The address of a family at which a node is reached: its external one where it has one. */
export function addressOf(node: Node, bits: AddressBits = 32): string | undefined {
  const addresses = (node.status?.addresses ?? []).filter(({ address }) => bitsOf(address) === bits)
  return ['ExternalIP', 'InternalIP'].flatMap((type) => addresses.filter((one) => one.type === type))[0]?.address
}

export const isReady = (node: Node): boolean =>
  node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
