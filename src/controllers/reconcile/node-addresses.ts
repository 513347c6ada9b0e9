import type { Node } from '../../api/kinds.ts'

/** The address at which a node is reached: its external one where it has one. */
export function addressOf(node: Node): string | undefined {
  const addresses = node.status?.addresses ?? []
  return ['ExternalIP', 'InternalIP'].flatMap((type) => addresses.filter((one) => one.type === type))[0]?.address
}

export const isReady = (node: Node): boolean =>
  node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
